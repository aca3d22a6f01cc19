// Linked lists, scattered over memory: walked, searched, reversed, merge-sorted.

enum { NODES = 1 << 14 };
struct node {
  struct node *next;
  long key;
};
static struct node nodes[NODES];

static struct node *merge(struct node *a, struct node *b) {
  struct node head;
  struct node *last = &head;
  while (a && b) {
    if (a->key <= b->key) last->next = a, a = a->next;
    else last->next = b, b = b->next;
    last = last->next;
  }
  last->next = a ? a : b;
  return head.next;
}

static struct node *sort(struct node *list) {
  if (!list || !list->next) return list;
  struct node *slow = list;
  for (struct node *fast = list->next; fast && fast->next; fast = fast->next->next) slow = slow->next;
  struct node *half = slow->next;
  slow->next = 0;
  return merge(sort(list), sort(half));
}

static struct node *reverse(struct node *list) {
  struct node *done = 0;
  while (list) {
    struct node *next = list->next;
    list->next = done;
    done = list;
    list = next;
  }
  return done;
}

static struct node *find(struct node *list, long key) {
  while (list && list->key != key) list = list->next;
  return list;
}

unsigned long long bench(unsigned long rounds) {
  unsigned long long seed = 7;
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    struct node *list = 0;
    for (long i = 0; i < NODES; i++) {
      struct node *node = &nodes[i * 4097 % NODES];
      seed = seed * 6364136223846793005ul + 1442695040888963407ul;
      node->key = seed >> 40;
      node->next = list;
      list = node;
    }
    list = reverse(sort(list));
    for (long i = 0; i < 16; i++) {
      struct node *found = find(list, nodes[i * 1001].key);
      sum = sum * 31 + (found ? found->key : -1);
    }
  }
  return sum;
}
