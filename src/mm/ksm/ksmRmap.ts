// A merged folio and those who map it (mm/ksm.c: rmap_walk_ksm, folio_migrate_ksm).
//
// Reclaim and migration find the mappings of a merged folio by its stable node.
//
// Invariant: the list of a node only changes under the lock of its folio, which whoever walks holds.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import type { RmapVisitor } from '../rmap/rmapWalk.ts';
import type { RmapItem } from './ksm.ts';
import { folioStableNode, NO_STABLE_NODE } from './ksmTree.ts';

/** rmap_walk_ksm(): the folio is locked. False: a lock is contended, and `trylock` says not to wait for it. */
export function* rmapWalkKsm(host: Host, pfn: Pfn, trylock: boolean, visit: RmapVisitor): Steps<boolean> {
  if (points.on) yield at.page(pfn);
  const items = folioStableNode(host, pfn)?.rmapItems ?? [];
  // First where KSM has merged, then where others were forked from that since.
  for (const forks of [false, true]) {
    for (const item of items) {
      const answer = yield* walkItem(host, item, forks, trylock, visit);
      if (answer !== 'on') return answer === 'stop';
    }
  }
  return true;
}

function* walkItem(
  { locks }: Host,
  { anonVma, address, mm }: RmapItem,
  forks: boolean,
  trylock: boolean,
  visit: RmapVisitor,
): Steps<'on' | 'stop' | 'contended'> {
  if (anonVma === null) return 'on';
  if (!trylock) yield* locks.anonVmaLockRead(anonVma);
  else if (!(yield* locks.anonVmaTrylockRead(anonVma))) return 'contended';
  if (points.on) yield at.list(anonVma.rwsem.id);
  let stopped = false;
  for (const vma of anonVma.vmas.overlapping(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)) {
    if (stopped || !vma.contains(address) || (vma.mm !== mm) !== forks) continue;
    stopped = yield* visit(vma, address);
  }
  yield* locks.anonVmaUnlockRead(anonVma);
  return stopped ? 'stop' : 'on';
}

/**
 * folio_migrate_ksm(): both folios are locked, and `to` has flags and mapping of `from` already, which is no folio of the
 * node any more. Preceded by at.page(from).
 */
export function folioMigrateKsm(host: Host, to: Pfn, from: Pfn): void {
  const node = folioStableNode(host, from);
  if (node !== null) node.kpfn = to;
  host.frames.mapping[from] = NO_STABLE_NODE;
}
