// A state machine over text: numbers, names, strings and comments are counted, character by character.

enum { BYTES = 1 << 14 };
static char text[BYTES];
enum state { SPACE, NAME, NUMBER, FRACTION, STRING, ESCAPE, SLASH, COMMENT, STAR, STATES };
static unsigned long counts[STATES];

static enum state step(enum state state, char c) {
  switch (state) {
    case STRING:
      return c == '"' ? SPACE : c == '\\' ? ESCAPE : STRING;
    case ESCAPE:
      return STRING;
    case COMMENT:
      return c == '*' ? STAR : COMMENT;
    case STAR:
      return c == '/' ? SPACE : c == '*' ? STAR : COMMENT;
    case SLASH:
      if (c == '*') return COMMENT;
      break;
    case NUMBER:
      if (c == '.') return FRACTION;
      if (c >= '0' && c <= '9') return NUMBER;
      break;
    case FRACTION:
      if (c >= '0' && c <= '9') return FRACTION;
      break;
    case NAME:
      if (c >= '0' && c <= '9') return NAME;
      break;
    default:
      break;
  }
  if ((c >= 'a' && c <= 'z') || c == '_') return NAME;
  if (c >= '0' && c <= '9') return NUMBER;
  if (c == '"') return STRING;
  if (c == '/') return SLASH;
  return SPACE;
}

unsigned long long bench(unsigned long rounds) {
  static const char alphabet[] = "abcxyz_0123459 .\"\\/*+ (;) ab /* x */ \"s\" 12.5 ";
  unsigned long long seed = 3;
  for (long i = 0; i < BYTES; i++) {
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    text[i] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
  }
  enum state state = SPACE;
  for (unsigned long round = 0; round < rounds; round++) {
    for (long i = 0; i < BYTES; i++) {
      enum state next = step(state, text[i]);
      if (next != state) counts[next]++;
      state = next;
    }
  }
  unsigned long long sum = 0;
  for (int i = 0; i < STATES; i++) sum = sum * 31 + counts[i];
  return sum;
}
