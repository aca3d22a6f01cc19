// An interpreter of a little stack machine: one indirect jump for each of its instructions.

enum op { PUSH, ADD, SUB, MUL, AND, DUP, SWAP, LOAD, STORE, JUMP, JUMP_ZERO, LESS, HALT };

/* Adds up, for all n from a limit down and all m from n down, m & n and whether m * m > n. Numbers are addresses. */
static const short program[] = {
    /*  0 */ PUSH, 0, STORE, 2, LOAD, 3, STORE, 0,
    /*  8 */ LOAD, 0, JUMP_ZERO, 57, LOAD, 0, STORE, 1,
    /* 16 */ LOAD, 1, JUMP_ZERO, 48,
    /* 20 */ LOAD, 2, LOAD, 1, DUP, MUL, LOAD, 0, SWAP, LESS, ADD, LOAD, 1, LOAD, 0, AND, ADD, STORE, 2,
    /* 39 */ LOAD, 1, PUSH, 1, SUB, STORE, 1, JUMP, 16,
    /* 48 */ LOAD, 0, PUSH, 1, SUB, STORE, 0, JUMP, 8,
    /* 57 */ HALT,
};

static long variables[4];

static long run(const short *code, long limit) {
  long stack[16];
  long *top = stack;
  long executed = 0;
  variables[3] = limit;
  for (const short *at = code;; executed++) {
    switch ((enum op)*at++) {
      case PUSH: *top++ = *at++; break;
      case ADD: top--; top[-1] += top[0]; break;
      case SUB: top--; top[-1] -= top[0]; break;
      case MUL: top--; top[-1] *= top[0]; break;
      case AND: top--; top[-1] &= top[0]; break;
      case DUP: *top = top[-1]; top++; break;
      case SWAP: { long value = top[-1]; top[-1] = top[-2]; top[-2] = value; break; }
      case LOAD: *top++ = variables[*at++]; break;
      case STORE: variables[*at++] = *--top; break;
      case JUMP: at = code + *at; break;
      case JUMP_ZERO: at = *--top ? at + 1 : code + *at; break;
      case LESS: top--; top[-1] = top[-1] < top[0]; break;
      case HALT: return executed + variables[2];
    }
  }
}

unsigned long long bench(unsigned long rounds) {
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) sum = sum * 31 + run(program, 100 + (round & 15));
  return sum;
}
