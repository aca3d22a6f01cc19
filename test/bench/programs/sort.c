// Quicksort of pseudo-random 64-bit keys: branches that cannot be predicted.

enum { KEYS = 1 << 15 };
static unsigned long long keys[KEYS];

static void sort(long from, long to) {
  while (from < to) {
    unsigned long long pivot = keys[(from + to) >> 1];
    long left = from;
    long right = to;
    while (left <= right) {
      while (keys[left] < pivot) left++;
      while (keys[right] > pivot) right--;
      if (left > right) break;
      unsigned long long key = keys[left];
      keys[left++] = keys[right];
      keys[right--] = key;
    }
    sort(from, right);
    from = left;
  }
}

unsigned long long bench(unsigned long rounds) {
  unsigned long long seed = 1;
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    for (long i = 0; i < KEYS; i++) {
      seed = seed * 6364136223846793005ul + 1442695040888963407ul;
      keys[i] = seed;
    }
    sort(0, KEYS - 1);
    for (long i = 1; i < KEYS; i++) sum = sum * 31 + (keys[i] >> 32) + (keys[i - 1] > keys[i]);
  }
  return sum;
}
