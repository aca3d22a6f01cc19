// CRC-32 by table and a multiplicative hash over a buffer: dependent loads, narrow and wide.

enum { BYTES = 1 << 16 };
static unsigned char data[BYTES];
static unsigned int table[256];

static void make_table(void) {
  for (unsigned int i = 0; i < 256; i++) {
    unsigned int value = i;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ 0xedb88320u : value >> 1;
    table[i] = value;
  }
}

static unsigned int crc(void) {
  unsigned int value = ~0u;
  for (long i = 0; i < BYTES; i++) value = table[(value ^ data[i]) & 255] ^ (value >> 8);
  return ~value;
}

static unsigned long long hash(unsigned long long seed) {
  const unsigned long long *words = (const unsigned long long *)data;
  for (long i = 0; i < BYTES / 8; i++) {
    seed = (seed ^ words[i]) * 0x9e3779b97f4a7c15ul;
    seed ^= seed >> 29;
  }
  return seed;
}

unsigned long long bench(unsigned long rounds) {
  make_table();
  for (long i = 0; i < BYTES; i++) data[i] = i * 7 + (i >> 8);
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    sum = hash(sum + crc());
    data[round % BYTES] ^= sum;
  }
  return sum;
}
