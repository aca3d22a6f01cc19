// How hard reclaim presses on anonymous memory and on the page cache (mm/vmscan.c: prepare_scan_control,
// get_scan_count).
//
// vmscan.ts asks before each pass over the node. What was costly to reclaim lately (writes, rotations, refaults) is
// scanned less; swappiness says what a swap-in costs against reading a file again.
//
// Invariant: decides by list sizes and costs alone, which nobody locks: it is an estimate, in Linux too.

import type { Host } from '../host.ts';
import { type MemCgroup, memCgroupSwapPages } from '../memcg/memcontrol.ts';
import {
  activeListOf,
  type EvictableList,
  inactiveListOf,
  LRU_LISTS,
  LRU_TYPES,
  type LruType,
  type Lruvec,
} from './lru.ts';
import type { ScanControl } from './scanControl.ts';

/** vm_swappiness, of MAX_SWAPPINESS. */
const SWAPPINESS = 60;
const MAX_SWAPPINESS = 200;

/** Folios to scan, by list. */
export type ScanTargets = [number, number, number, number];

/**
 * can_reclaim_anon_pages(): there is a slot to put one in, or a page that has one. Linux asks for free slots only; on
 * 32 frames the few pages of the swap cache that it then forgets are too many to kill somebody for.
 */
export const canReclaimAnon = (host: Host, memcg: MemCgroup | null): boolean =>
  host.swap !== null && (memCgroupSwapPages(host, memcg) > 0 || host.swap.cachedPages > 0);

/** inactive_is_low(): the inactive list should be as long as the active one, and shorter on hosts above a GiB. */
export function inactiveIsLow(lruvec: Lruvec, type: LruType): boolean {
  const inactive = lruvec.inactive(type);
  const active = lruvec.active(type);
  const gigabytes = Math.floor((inactive + active) / 2 ** 18);
  const ratio = gigabytes === 0 ? 1 : Math.floor(Math.sqrt(10 * gigabytes));
  return inactive * ratio < active;
}

/** prepare_scan_control(): refaults, or an inactive list that is too short, make active folios fair game. */
export function prepareScanControl(host: Host, sc: ScanControl): void {
  const { zone } = host;
  const lruvec = host.memcgs.lruvecOf(sc.target);
  for (const type of LRU_TYPES) {
    sc.mayDeactivate[type] =
      sc.forceDeactivate ||
      activations(host, sc.target, type) !== lruvec.refaults[type] ||
      inactiveIsLow(lruvec, type);
  }
  const file = lruvec.inactive('file');
  sc.cacheTrimMode = file >> sc.priority > 0 && !sc.mayDeactivate.file;
  sc.fileIsTiny =
    sc.target === null &&
    file + lruvec.active('file') + zone.freePages <= zone.watermarks.high &&
    !sc.mayDeactivate.anon &&
    lruvec.inactive('anon') >> sc.priority > 0;
}

/** snapshot_refaults(). */
export function snapshotRefaults(host: Host, target: MemCgroup | null): void {
  const { refaults } = host.memcgs.lruvecOf(target);
  for (const type of LRU_TYPES) refaults[type] = activations(host, target, type);
}

const activations = ({ vmstat }: Host, target: MemCgroup | null, type: LruType): number =>
  (target === null ? vmstat : target.lruvec.stat)[`workingset_activate_${type}`];

/** get_scan_count(): of the lists of `memcg`, the root's if it is null. */
export function getScanCount(host: Host, sc: ScanControl, memcg: MemCgroup | null): ScanTargets {
  const lruvec = host.memcgs.lruvecOf(memcg);
  const shares = sharesOf(host, sc, memcg);
  const targets: ScanTargets = [0, 0, 0, 0];
  for (const type of LRU_TYPES) {
    for (const list of [inactiveListOf(type), activeListOf(type)]) {
      const size = lruvec.size(list);
      const exposed = memcg === null ? size : applyProtection(host, sc, memcg, size);
      targets[list] = Math.floor((exposed >> sc.priority) * shares[type]);
    }
  }
  return targets;
}

/** apply_proportional_protection(): the more a cgroup has beyond what it is promised, the more of it is looked at. */
function applyProtection(host: Host, sc: ScanControl, memcg: MemCgroup, size: number): number {
  const { low, min, usage } = memcg.memory;
  if (sc.target === memcg || (min === 0 && low === 0)) return size;
  const sparesLow = !sc.memcgLowReclaim && low > min;
  if (sparesLow) sc.memcgLowSkipped = true;
  const protection = sparesLow ? low : min;
  const spared = Math.floor((size * protection) / (Math.max(usage, protection) + 1));
  return Math.max(size - spared, host.swapClusterMax);
}

/** What part of the lists of each type is to be scanned (scan_balance and fraction): 0 to 1. */
function sharesOf(host: Host, sc: ScanControl, memcg: MemCgroup | null): Record<LruType, number> {
  if (!canReclaimAnon(host, memcg)) return { anon: 0, file: 1 };
  if (sc.priority === 0) return { anon: 1, file: 1 };
  if (sc.fileIsTiny) return { anon: 1, file: 0 };
  if (sc.cacheTrimMode) return { anon: 0, file: 1 };
  return pressureBalance(host.memcgs.lruvecOf(sc.target));
}

/** calculate_pressure_balance(). */
function pressureBalance(lruvec: Lruvec): Record<LruType, number> {
  const sum = lruvec.cost.anon + lruvec.cost.file;
  const anonCost = sum + lruvec.cost.anon;
  const fileCost = sum + lruvec.cost.file;
  const total = anonCost + fileCost;
  const anon = Math.floor((SWAPPINESS * (total + 1)) / (anonCost + 1));
  const file = Math.floor(((MAX_SWAPPINESS - SWAPPINESS) * (total + 1)) / (fileCost + 1));
  return { anon: anon / (anon + file), file: file / (anon + file) };
}

/**
 * The end of a round of shrink_lruvec() that has freed enough: the other type is scanned no further than the one that
 * got further, in proportion to what both were to be scanned. False: stop.
 */
export function keepProportion(left: ScanTargets, targets: ScanTargets): boolean {
  const of = (nr: ScanTargets, type: LruType): number => nr[inactiveListOf(type)] + nr[activeListOf(type)];
  if (of(left, 'file') === 0 || of(left, 'anon') === 0) return false;
  const smaller: LruType = of(left, 'file') > of(left, 'anon') ? 'anon' : 'file';
  const larger: LruType = smaller === 'anon' ? 'file' : 'anon';
  const percentage = Math.floor((of(left, smaller) * 100) / (of(targets, smaller) + 1));
  left[inactiveListOf(smaller)] = left[activeListOf(smaller)] = 0;
  for (const list of [inactiveListOf(larger), activeListOf(larger)]) {
    const scanned = targets[list] - left[list];
    left[list] = Math.max(0, Math.floor((targets[list] * (100 - percentage)) / 100) - scanned);
  }
  return true;
}

/** Whether the lists that decide when a pass is over have anything left to scan. */
export const isScanLeft = (left: ScanTargets): boolean =>
  LRU_LISTS.some((list: EvictableList) => list !== activeListOf('anon') && left[list] > 0);
