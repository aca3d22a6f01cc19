// SHA-256 of a buffer, over and over: 32-bit arithmetic with many values alive at once.

enum { BLOCKS = 64 };
static unsigned int state[8];
static unsigned char text[BLOCKS * 64];
static unsigned int k[64];

static unsigned int ror(unsigned int value, int by) { return (value >> by) | (value << (32 - by)); }

/* Fractional parts of the cube roots of the first 64 primes, found by bisection. */
static void make_constants(void) {
  int found = 0;
  for (unsigned long candidate = 2; found < 64; candidate++) {
    int prime = 1;
    for (unsigned long d = 2; d * d <= candidate; d++) prime &= candidate % d != 0;
    if (!prime) continue;
    unsigned long root = 0;
    for (long bit = 1l << 35; bit != 0; bit >>= 1) {
      unsigned long next = root | bit;
      unsigned __int128 square = (unsigned __int128)next * next;
      unsigned __int128 high = (square >> 64) * next;
      unsigned __int128 low = (unsigned __int128)(unsigned long)square * next;
      unsigned long top = (unsigned long)(high + (low >> 64));
      if (top < candidate << 32) root = next;
    }
    k[found++] = (unsigned int)root;
  }
}

static void compress(const unsigned char *block) {
  unsigned int w[64];
  for (int i = 0; i < 16; i++)
    w[i] = (unsigned int)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    unsigned int s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ (w[i - 15] >> 3);
    unsigned int s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  unsigned int a = state[0], b = state[1], c = state[2], d = state[3];
  unsigned int e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    unsigned int t1 = h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
    unsigned int t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

unsigned long bench(unsigned long rounds) {
  make_constants();
  for (int i = 0; i < BLOCKS * 64; i++) text[i] = i * 13;
  for (unsigned long round = 0; round < rounds; round++) {
    for (int block = 0; block < BLOCKS; block++) compress(text + 64 * block);
    text[round % (BLOCKS * 64)] ^= state[0];
  }
  return (unsigned long)state[0] << 32 | state[7];
}
