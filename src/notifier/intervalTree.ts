// An interval tree: which of many intervals overlap a range (lib/interval_tree.c, mm/interval_tree.c).
//
// mm's i_mmap and anon_vma find the VMAs of a page with one, an mm the interval notifiers of a range. A treap: a search
// tree by (first, order of insertion) and a heap by a priority that is a hash of that order, so that
// the shape is a function of what was inserted and never degenerates.
//
// Invariant: `maxLast` of a node is the greatest `last` in its subtree. Cost: a query visits O(log n + hits) nodes.
// Lock: the caller's; a query must not run while the tree changes.

/** An item and its closed interval [first, last]. */
interface Node<T> {
  readonly item: T;
  readonly first: number;
  readonly last: number;
  readonly order: number;
  readonly priority: number;
  maxLast: number;
  left: Node<T> | null;
  right: Node<T> | null;
}

export class IntervalTree<T> {
  #root: Node<T> | null = null;
  readonly #nodes = new Map<T, Node<T>>();
  #nextOrder = 1;

  get size(): number {
    return this.#nodes.size;
  }

  has(item: T): boolean {
    return this.#nodes.has(item);
  }

  /** Adds `item`, which is not in the tree, with the closed interval [first, last]. */
  insert(item: T, first: number, last: number): void {
    const order = this.#nextOrder++;
    const priority = Math.imul(order, 0x9e3779b1) >>> 0;
    const node: Node<T> = { item, first, last, order, priority, maxLast: last, left: null, right: null };
    this.#nodes.set(item, node);
    this.#root = insert(this.#root, node);
  }

  /** Takes `item` out; false: it was not in. */
  remove(item: T): boolean {
    const node = this.#nodes.get(item);
    if (node === undefined) return false;
    this.#nodes.delete(item);
    this.#root = remove(this.#root, node);
    return true;
  }

  /** The items whose intervals overlap the closed range [first, last], by `first`, then by age. */
  overlapping(first: number, last: number): T[] {
    const found: T[] = [];
    collect(this.#root, first, last, found);
    return found;
  }
}

const isBefore = <T>(a: Node<T>, b: Node<T>): boolean =>
  a.first < b.first || (a.first === b.first && a.order < b.order);

function update<T>(node: Node<T>): Node<T> {
  node.maxLast = Math.max(
    node.last,
    node.left?.maxLast ?? Number.NEGATIVE_INFINITY,
    node.right?.maxLast ?? Number.NEGATIVE_INFINITY,
  );
  return node;
}

function insert<T>(root: Node<T> | null, node: Node<T>): Node<T> {
  if (root === null) return node;
  if (node.priority > root.priority) {
    [node.left, node.right] = split(root, node);
    return update(node);
  }
  if (isBefore(node, root)) root.left = insert(root.left, node);
  else root.right = insert(root.right, node);
  return update(root);
}

/** The nodes before `at`, and those after it. */
function split<T>(root: Node<T> | null, at: Node<T>): [Node<T> | null, Node<T> | null] {
  if (root === null) return [null, null];
  if (isBefore(root, at)) {
    const [left, right] = split(root.right, at);
    root.right = left;
    return [update(root), right];
  }
  const [left, right] = split(root.left, at);
  root.left = right;
  return [left, update(root)];
}

function remove<T>(root: Node<T> | null, node: Node<T>): Node<T> | null {
  if (root === null) return null;
  if (root === node) return join(root.left, root.right);
  if (isBefore(node, root)) root.left = remove(root.left, node);
  else root.right = remove(root.right, node);
  return update(root);
}

/** All of `left` is before all of `right`. */
function join<T>(left: Node<T> | null, right: Node<T> | null): Node<T> | null {
  if (left === null) return right;
  if (right === null) return left;
  if (left.priority > right.priority) {
    left.right = join(left.right, right);
    return update(left);
  }
  right.left = join(left, right.left);
  return update(right);
}

function collect<T>(root: Node<T> | null, first: number, last: number, into: T[]): void {
  if (root === null || root.maxLast < first) return;
  collect(root.left, first, last, into);
  if (root.first > last) return;
  if (root.last >= first) into.push(root.item);
  collect(root.right, first, last, into);
}
