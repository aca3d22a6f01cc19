// AES-128 as its standard describes it, byte by byte, in counter mode: table look-ups and shifts of bytes.

static unsigned char sbox[256];
static unsigned char keys[11][16];

static unsigned char twice(unsigned char x) { return (x << 1) ^ (x >> 7) * 0x1b; }

static unsigned char times(unsigned char a, unsigned char b) {
  unsigned char product = 0;
  for (; b; b >>= 1, a = twice(a)) product ^= b & 1 ? a : 0;
  return product;
}

static void make_sbox(void) {
  for (int i = 0; i < 256; i++) {
    unsigned char inverse = 1;
    for (int n = 0; n < 254; n++) inverse = times(inverse, i);
    unsigned char x = i ? inverse : 0;
    sbox[i] = x ^ (x << 1 | x >> 7) ^ (x << 2 | x >> 6) ^ (x << 3 | x >> 5) ^ (x << 4 | x >> 4) ^ 0x63;
  }
}

static void expand(const unsigned char *key) {
  unsigned char *out = keys[0];
  unsigned char constant = 1;
  for (int i = 0; i < 16; i++) out[i] = key[i];
  for (int i = 16; i < 176; i += 4) {
    unsigned char word[4] = {out[i - 4], out[i - 3], out[i - 2], out[i - 1]};
    if (i % 16 == 0) {
      unsigned char first = word[0];
      word[0] = sbox[word[1]] ^ constant;
      word[1] = sbox[word[2]];
      word[2] = sbox[word[3]];
      word[3] = sbox[first];
      constant = twice(constant);
    }
    for (int j = 0; j < 4; j++) out[i + j] = out[i + j - 16] ^ word[j];
  }
}

static void encrypt(unsigned char *s) {
  unsigned char t[16];
  for (int i = 0; i < 16; i++) s[i] ^= keys[0][i];
  for (int round = 1; round <= 10; round++) {
    for (int i = 0; i < 16; i++) t[i] = sbox[s[(i + (i & 3) * 4) & 15]];
    for (int c = 0; c < 16; c += 4) {
      unsigned char all = t[c] ^ t[c + 1] ^ t[c + 2] ^ t[c + 3];
      for (int r = 0; r < 4; r++) {
        unsigned char mixed = t[c + r] ^ all ^ twice(t[c + r] ^ t[c + ((r + 1) & 3)]);
        s[c + r] = (round == 10 ? t[c + r] : mixed) ^ keys[round][c + r];
      }
    }
  }
}

unsigned long long bench(unsigned long rounds) {
  static const unsigned char key[16] = "a key of 16 byte";
  make_sbox();
  expand(key);
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    unsigned char block[16] = {round, round >> 8, round >> 16, round >> 24};
    encrypt(block);
    for (int i = 0; i < 16; i++) sum = sum * 31 + block[i];
  }
  return sum;
}
