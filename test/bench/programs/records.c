// Records and strings as business programs of old have them: copied, compared, filled in, through pointers.

struct record {
  struct record *partner;
  int kind;
  int amount;
  char name[32];
};
static struct record records[64];

static void copy(char *to, const char *from) {
  while ((*to++ = *from++)) {
  }
}

static int compare(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}

static long length(const char *text) {
  const char *end = text;
  while (*end) end++;
  return end - text;
}

static int classify(struct record *record, int limit) {
  int kind = record->amount > limit ? 2 : record->amount < 0 ? 0 : 1;
  if (record->partner && record->partner->kind == kind) record->partner->amount += 3;
  return kind;
}

static void trade(struct record *from, struct record *to, int amount) {
  from->amount -= amount;
  to->amount += amount;
  to->kind = classify(to, 1000);
  from->kind = classify(from, 1000);
  if (compare(from->name, to->name) > 0) {
    char name[32];
    copy(name, from->name);
    copy(from->name, to->name);
    copy(to->name, name);
  }
}

unsigned long long bench(unsigned long rounds) {
  for (int i = 0; i < 64; i++) {
    copy(records[i].name, "SOME PROGRAM, 12'TH STRING");
    records[i].name[14] = '0' + (i * 37) % 64;
    records[i].amount = i * 29;
    records[i].partner = &records[(i * 5 + 1) % 64];
  }
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    for (int i = 0; i < 64; i++) trade(&records[i], &records[(i * 13 + round) % 64], i + (int)(round & 7));
    sum = sum * 31 + records[round % 64].amount + length(records[round % 64].name);
  }
  for (int i = 0; i < 64; i++) sum = sum * 31 + records[i].kind + records[i].name[14];
  return sum;
}
