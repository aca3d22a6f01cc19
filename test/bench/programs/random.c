// Reads and writes at random places of a large array: nearly every access misses the first-level TLB.

static unsigned long *const memory = (unsigned long *)0x90000000ul;

unsigned long bench(unsigned long rounds, unsigned long bytes) {
  unsigned long mask = bytes / 8 - 1;
  unsigned long seed = 1;
  unsigned long sum = 0;
  for (unsigned long i = 0; i <= mask; i += 512) memory[i] = i;
  for (unsigned long round = 0; round < rounds; round++) {
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    unsigned long at = (seed >> 30) & mask;
    sum += memory[at];
    memory[at] = sum;
  }
  return sum;
}
