// Eight queens and more: recursion with little else than bit operations.

static unsigned long place(unsigned int all, unsigned int columns, unsigned int left, unsigned int right) {
  if (columns == all) return 1;
  unsigned long solutions = 0;
  for (unsigned int free = all & ~(columns | left | right); free; free &= free - 1) {
    unsigned int queen = free & -free;
    solutions += place(all, columns | queen, (left | queen) << 1, (right | queen) >> 1);
  }
  return solutions;
}

unsigned long long bench(unsigned long rounds) {
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) sum = sum * 3 + place((1u << 9) - 1, 0, 0, 0);
  return sum;
}
