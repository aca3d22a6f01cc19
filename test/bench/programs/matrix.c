// Products of integer matrices, and a convolution: multiplications in loop nests, three loads for each.

enum { N = 64 };
static long a[N][N];
static long b[N][N];
static long c[N][N];

static void multiply(void) {
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++) {
      long sum = 0;
      for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
  }
}

static void smooth(void) {
  for (int i = 1; i < N - 1; i++) {
    for (int j = 1; j < N - 1; j++) {
      a[i][j] = (c[i - 1][j] + c[i + 1][j] + c[i][j - 1] + c[i][j + 1] + 4 * c[i][j]) >> 3;
    }
  }
}

unsigned long long bench(unsigned long rounds) {
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++) {
      a[i][j] = i * 3 + j;
      b[i][j] = i - j * 5;
    }
  }
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    multiply();
    smooth();
    sum = sum * 31 + c[round % N][(round / N) % N];
  }
  return sum;
}
