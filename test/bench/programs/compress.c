// Compression by references to earlier text (LZ77 with a hash table), and back.

enum { BYTES = 1 << 15, HASHES = 1 << 12, LEAST = 4, MOST = 130 };
static unsigned char text[BYTES];
static unsigned char packed[BYTES * 2];
static unsigned char again[BYTES];
static int last[HASHES];

static unsigned int hash(const unsigned char *at) {
  unsigned int word = at[0] | at[1] << 8 | at[2] << 16 | (unsigned int)at[3] << 24;
  return word * 2654435761u >> 20;
}

static long pack(void) {
  long out = 0;
  for (int i = 0; i < HASHES; i++) last[i] = -1;
  for (long at = 0; at < BYTES;) {
    long size = 0;
    long from = -1;
    if (at + LEAST <= BYTES) {
      unsigned int slot = hash(text + at);
      from = last[slot];
      last[slot] = at;
      while (from >= 0 && at + size < BYTES && size < MOST && text[from + size] == text[at + size]) size++;
    }
    if (size >= LEAST) {
      packed[out++] = 128 + (size - LEAST);
      packed[out++] = (at - from) & 255;
      packed[out++] = (at - from) >> 8;
      at += size;
    } else {
      packed[out++] = text[at++];
    }
  }
  return out;
}

static long unpack(long size) {
  long out = 0;
  for (long at = 0; at < size;) {
    unsigned char token = packed[at++];
    if (token < 128) {
      again[out++] = token;
      continue;
    }
    long from = out - (packed[at] | packed[at + 1] << 8);
    at += 2;
    for (int i = token - 128 + LEAST; i > 0; i--) again[out++] = again[from++];
  }
  return out;
}

unsigned long long bench(unsigned long rounds) {
  unsigned long long seed = 5;
  unsigned long long sum = 0;
  for (long i = 0; i < BYTES; i++) {
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    text[i] = i > 64 && (seed >> 60) > 1 ? text[i - 1 - ((seed >> 40) & 63)] : (seed >> 33) & 127;
  }
  for (unsigned long round = 0; round < rounds; round++) {
    long size = pack();
    long whole = unpack(size);
    int same = whole == BYTES;
    for (long i = 0; i < BYTES; i++) same &= text[i] == again[i];
    sum = sum * 31 + size + same;
    text[(round * 77) % BYTES] = (round * 5) & 127;
  }
  return sum;
}
