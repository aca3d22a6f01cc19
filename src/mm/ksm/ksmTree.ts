// The two trees of KSM: of folios that were merged, and of pages that may be (mm/ksm.c: stable_tree_*, unstable_tree_*).
//
// ksmScan.ts asks for each page that it scans. The stable tree is sure to be in order, since what it holds is read-only;
// the unstable one holds pages that their owners write to, so its order may be wrong, it is emptied at each scan, and
// whatever it answers is compared once more under the folio lock (ksmMerge.ts).
//
// Invariants: a stable node whose folio is gone is found out when it is next met (ksmGetFolio()), and forgotten. A chain
// is never empty. Lock: ksm_thread_mutex; the folio lock for the list of a node.

import { at, COND_RESCHED, points, RESCHED, type Steps } from '../../sched/index.ts';
import { bug, type Pfn, pfnToHpa } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_ksm, PG_swapcache } from '../page/frames.ts';
import { NS_PER_MS } from '../timeout.ts';
import type { Ksm, RmapItem, StableChain, StableNode } from './ksm.ts';

/** `mapping` of a folio that is to get a stable node in a moment. */
export const NO_STABLE_NODE = 0x7fff_ffff;
const WORDS = 1024;

/** memcmp_pages(): which comes first; any total order will do. Preceded by at.page(a). */
export function comparePages({ memory }: Host, a: Pfn, b: Pfn): number {
  const [left, right] = [pfnToHpa(a) >>> 2, pfnToHpa(b) >>> 2];
  for (let word = 0; word < WORDS; word++) {
    const difference = memory.i32[left + word]! - memory.i32[right + word]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** calc_checksum(): any hash of 32 bits will do; Linux takes xxhash. Preceded by at.page(pfn). */
export function calcChecksum({ memory }: Host, pfn: Pfn): number {
  const first = pfnToHpa(pfn) >>> 2;
  let hash = 0x811c9dc5;
  for (let word = 0; word < WORDS; word++) {
    hash = Math.imul(hash ^ memory.i32[first + word]!, 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash;
}

/** folio_stable_node(). Preceded by at.page(pfn). */
export const folioStableNode = ({ frames, ksm }: Host, pfn: Pfn): StableNode | null =>
  frames.test(pfn, PG_ksm) ? (ksm.nodes.get(frames.mapping[pfn]!) ?? null) : null;

/** ksm_get_folio(): the folio with a reference, and locked if asked for; 0 when it is gone, and the node with it. */
export function* ksmGetFolio(host: Host, node: StableNode, lock: boolean): Steps<number> {
  const { frames, folioLocks } = host;
  for (;;) {
    const { kpfn } = node;
    if (points.on) yield at.page(kpfn);
    if (isFolioOf(host, node, kpfn)) {
      if (frames.tryGet(kpfn)) {
        if (lock) yield* folioLocks.lock(kpfn);
        if (points.on) yield at.page(kpfn);
        if (isFolioOf(host, node, kpfn)) return kpfn;
        if (lock) folioLocks.unlock(kpfn);
        yield* folioPut(host, kpfn);
      } else if (frames.test(kpfn, PG_swapcache)) {
        // Frozen, on its way out of the swap cache or to another frame.
        yield RESCHED;
        continue;
      }
    }
    if (node.kpfn !== kpfn) continue;
    yield* removeNodeFromStableTree(host, node);
    return 0;
  }
}

/** Preceded by at.page(pfn). */
const isFolioOf = ({ frames }: Host, node: StableNode, pfn: Pfn): boolean =>
  frames.test(pfn, PG_ksm) && frames.mapping[pfn] === node.id;

/** remove_node_from_stable_tree(): the folio is gone, or nobody maps it any more. */
export function* removeNodeFromStableTree(host: Host, node: StableNode): Steps {
  const { ksm, trace } = host;
  ksm.threadMutex.assertHeld();
  for (let item = node.rmapItems.shift(); item !== undefined; item = node.rmapItems.shift()) {
    leaveStable(ksm, item, node.rmapItems.length > 0);
    trace.ksm_remove_rmap_item?.(node.kpfn, item.id, item.mm.id);
    yield COND_RESCHED;
  }
  trace.ksm_remove_ksm_page?.(node.kpfn);
  const { dups } = node.chain;
  dups.splice(dups.indexOf(node), 1);
  if (dups.length === 0) ksm.stableTree.splice(ksm.stableTree.indexOf(node.chain), 1);
  ksm.nodes.delete(node.id);
}

/** The books of an rmap_item that was taken off its node's list; others are left there, or none. */
function leaveStable(ksm: Ksm, item: RmapItem, othersLeft: boolean): void {
  if (othersLeft) ksm.pagesSharing--;
  else ksm.pagesShared--;
  item.mm.ksmMergingPages--;
  item.state = 'none';
  item.head = null;
  item.anonVma = null;
}

/** remove_rmap_item_from_tree(): from whichever it is in. */
export function* removeRmapItemFromTree(host: Host, item: RmapItem): Steps {
  const { ksm } = host;
  if (item.state === 'unstable') {
    // Left over from the scan before, it was forgotten with the whole tree.
    if (item.seqnr === ksm.seqnr) ksm.unstableTree.splice(ksm.unstableTree.indexOf(item), 1);
    ksm.pagesUnshared--;
    item.state = 'none';
  } else if (item.state === 'stable') {
    const node = item.head!;
    const pfn = (yield* ksmGetFolio(host, node, true)) as Pfn | 0;
    if (pfn === 0) return;
    node.rmapItems.splice(node.rmapItems.indexOf(item), 1);
    leaveStable(ksm, item, node.rmapItems.length > 0);
    yield* folioUnlockPut(host, pfn);
  }
}

/** is_page_sharing_candidate(): somebody still has it, and one more may. */
export const isPageSharingCandidate = ({ maxPageSharing }: Ksm, { rmapItems }: StableNode): boolean =>
  rmapItems.length > 0 && rmapItems.length < maxPageSharing;

/** Where a page stands in the stable tree: the place of its content, or where that would be. */
interface StablePlace {
  readonly chain: StableChain | null;
  readonly index: number;
}

/** The walk of stable_tree_search() and stable_tree_insert(): from the root, anew whenever a node turns out to be gone. */
function* findInStableTree(host: Host, pfn: Pfn, prunes: boolean): Steps<StablePlace> {
  const tree = host.ksm.stableTree;
  let low = 0;
  let high = tree.length;
  while (low < high) {
    yield COND_RESCHED;
    const middle = (low + high) >> 1;
    const chain = tree[middle]!;
    const size = tree.length;
    const other = (yield* stableNodeChain(host, chain, prunes)) as Pfn | 0;
    if (other === 0 || tree.length !== size) {
      if (other !== 0) yield* folioPut(host, other);
      low = 0;
      high = tree.length;
      continue;
    }
    if (points.on) yield at.page(pfn);
    const order = comparePages(host, pfn, other);
    yield* folioPut(host, other);
    if (order === 0) return { chain, index: middle };
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return { chain: null, index: low };
}

/** chain() and chain_prune(): a folio of the content with a reference, that of dups[0]; 0 when none was left. */
function* stableNodeChain(host: Host, chain: StableChain, prunes: boolean): Steps<number> {
  const { ksm, sched } = host;
  const due = sched.now - chain.pruneTime >= ksm.stableNodeChainsPruneMillisecs * NS_PER_MS;
  const all = prunes && due;
  if (all) chain.pruneTime = sched.now;
  let found: StableNode | null = null;
  let pfn = 0;
  for (const dup of [...chain.dups]) {
    const folio = yield* ksmGetFolio(host, dup, false);
    if (folio === 0) continue;
    if (found !== null && !isBetter(ksm, dup, found)) {
      yield* folioPut(host, folio as Pfn);
      continue;
    }
    if (found !== null) yield* folioPut(host, pfn as Pfn);
    found = dup;
    pfn = folio;
    if (!all && isPageSharingCandidate(ksm, dup)) break;
  }
  if (found !== null) {
    chain.dups.splice(chain.dups.indexOf(found), 1);
    chain.dups.unshift(found);
  }
  return pfn;
}

/** The fuller of those that may have one more. */
const isBetter = (ksm: Ksm, dup: StableNode, found: StableNode): boolean =>
  isPageSharingCandidate(ksm, dup) &&
  (!isPageSharingCandidate(ksm, found) || dup.rmapItems.length > found.rmapItems.length);

/** stable_tree_search(): a merged folio of the same content, with a reference; 0: none, or none that takes one more. */
export function* stableTreeSearch(host: Host, pfn: Pfn): Steps<number> {
  if (points.on) yield at.page(pfn);
  if (folioStableNode(host, pfn) !== null) {
    host.frames.get(pfn);
    return pfn;
  }
  const { chain } = yield* findInStableTree(host, pfn, true);
  const node = chain?.dups[0];
  if (node === undefined || !isPageSharingCandidate(host.ksm, node)) return 0;
  return yield* ksmGetFolio(host, node, false);
}

/** stable_tree_insert(): a node for a folio that was just merged, and is locked. */
export function* stableTreeInsert(host: Host, pfn: Pfn): Steps<StableNode> {
  const { ksm, frames, sched } = host;
  const place = yield* findInStableTree(host, pfn, false);
  const chain = place.chain ?? { dups: [], pruneTime: sched.now };
  if (place.chain === null) ksm.stableTree.splice(place.index, 0, chain);
  const node: StableNode = { id: ksm.nextId(), kpfn: pfn, chain, rmapItems: [] };
  chain.dups.unshift(node);
  ksm.nodes.set(node.id, node);
  if (points.on) yield at.page(pfn);
  if (frames.mapping[pfn] !== NO_STABLE_NODE) bug('a KSM folio gets a second stable node', { pfn });
  frames.mapping[pfn] = node.id;
  return node;
}

/** stable_tree_append(): the folio of `node` is locked. */
export function stableTreeAppend(ksm: Ksm, item: RmapItem, node: StableNode): void {
  if (node.rmapItems.length === 0) ksm.pagesShared++;
  else ksm.pagesSharing++;
  node.rmapItems.unshift(item);
  item.head = node;
  item.state = 'stable';
  item.mm.ksmMergingPages++;
}

/** Of an rmap_item, its page as it is now, with a reference; or 0 (get_mergeable_page()). */
export type GetPage = (item: RmapItem) => Steps<number>;

/** What unstable_tree_search_insert() found: another page of the same content, with a reference. */
export interface UnstableMatch {
  readonly item: RmapItem;
  readonly pfn: Pfn;
}

/** unstable_tree_search_insert(): a match; or null, and the item is in the tree now unless it was hopeless to compare. */
export function* unstableTreeSearchInsert(
  host: Host,
  item: RmapItem,
  pfn: Pfn,
  getPage: GetPage,
): Steps<UnstableMatch | null> {
  const { ksm } = host;
  let low = 0;
  let high = ksm.unstableTree.length;
  while (low < high) {
    yield COND_RESCHED;
    const middle = (low + high) >> 1;
    const other = ksm.unstableTree[middle]!;
    const otherPfn = (yield* getPage(other)) as Pfn | 0;
    if (otherPfn === 0) return null;
    if (points.on) yield at.page(pfn);
    const order = comparePages(host, pfn, otherPfn);
    if (order === 0 && otherPfn !== pfn) return { item: other, pfn: otherPfn };
    yield* folioPut(host, otherPfn);
    if (otherPfn === pfn) return null;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  ksm.unstableTree.splice(low, 0, item);
  item.state = 'unstable';
  item.seqnr = ksm.seqnr;
  ksm.pagesUnshared++;
  return null;
}
