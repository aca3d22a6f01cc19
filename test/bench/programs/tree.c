// A binary search tree with random priorities (a treap): inserted into, searched, rotated.

enum { NODES = 1 << 13 };
struct node {
  struct node *left;
  struct node *right;
  unsigned int key;
  unsigned int priority;
};
static struct node nodes[NODES];
static long used;

static struct node *insert(struct node *root, unsigned int key, unsigned int priority) {
  if (!root) {
    struct node *node = &nodes[used++];
    node->left = node->right = 0;
    node->key = key;
    node->priority = priority;
    return node;
  }
  if (key < root->key) {
    struct node *left = root->left = insert(root->left, key, priority);
    if (left->priority <= root->priority) return root;
    root->left = left->right;
    left->right = root;
    return left;
  }
  struct node *right = root->right = insert(root->right, key, priority);
  if (right->priority <= root->priority) return root;
  root->right = right->left;
  right->left = root;
  return right;
}

static const struct node *ceiling(const struct node *root, unsigned int key) {
  const struct node *best = 0;
  while (root) {
    if (root->key >= key) best = root, root = root->left;
    else root = root->right;
  }
  return best;
}

unsigned long long bench(unsigned long rounds) {
  unsigned long long seed = 11;
  unsigned long long sum = 0;
  for (unsigned long round = 0; round < rounds; round++) {
    struct node *root = 0;
    used = 0;
    for (long i = 0; i < NODES; i++) {
      seed = seed * 6364136223846793005ul + 1442695040888963407ul;
      root = insert(root, seed >> 32, (unsigned int)(seed >> 11));
    }
    for (long i = 0; i < NODES; i++) {
      seed = seed * 6364136223846793005ul + 1442695040888963407ul;
      const struct node *found = ceiling(root, seed >> 32);
      sum = sum * 31 + (found ? found->key : 0);
    }
  }
  return sum;
}
