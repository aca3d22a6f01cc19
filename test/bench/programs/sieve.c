// The sieve of Eratosthenes: byte stores with every stride.

enum { LIMIT = 1 << 20 };
static unsigned char composite[LIMIT];

unsigned long long bench(unsigned long rounds) {
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    for (long i = 0; i < LIMIT; i++) composite[i] = 0;
    for (long i = 2; i * i < LIMIT; i++) {
      if (composite[i]) continue;
      for (long j = i * i; j < LIMIT; j += i) composite[j] = 1;
    }
    for (long i = 2; i < LIMIT; i++) sum += composite[i] == 0;
  }
  return sum;
}
