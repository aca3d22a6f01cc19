// Reads and writes in random pages of a large array: nearly every access misses a TLB that is smaller than the array.

static unsigned long *const memory = (unsigned long *)0x90000000ul;

/* One word for each page, in all cache sets alike. */
static unsigned long *word_of(unsigned long page) { return memory + page * 512 + (page * 9 & 511); }

unsigned long bench(unsigned long rounds, unsigned long bytes) {
  unsigned long mask = bytes / 4096 - 1;
  unsigned long seed = 1;
  unsigned long sum = 0;
  for (unsigned long page = 0; page <= mask; page++) *word_of(page) = page;
  for (unsigned long round = 0; round < rounds; round++) {
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    unsigned long *word = word_of(seed >> 33 & mask);
    sum += *word;
    *word = sum;
  }
  return sum;
}
