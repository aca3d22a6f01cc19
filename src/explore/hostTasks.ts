// What the tasks of a scenario do to guest memory beside World's own accesses: through another process's mapping, by a
// device that has a frame pinned, and what they may rely on when a call has returned.
//
// Every store is told to the contents (contents.ts) in the step that makes it.

import { isPresent, PTE_A, ptePfn } from '../hw/sv39/index.ts';
import { gfnToMemslot } from '../kvm/internals.ts';
import {
  copyFromUser,
  copyToUser,
  fileWrite,
  type Mm,
  pageIdleBitmapRead,
  putPage,
  setPageDirty,
} from '../mm/index.ts';
import {
  inspectFilePage,
  inspectPte,
  isSwapPte,
  ksmDoScan,
  PG_activate,
  PG_active,
  PG_idle,
  PG_referenced,
  PG_young,
  swapPteSlot,
  writeCachePages,
} from '../mm/internals.ts';
import { at, points, RESCHED, type Steps } from '../sched/index.ts';
import { bug, type Hva, hex, PAGE_SIZE, type Pfn, pfnToHpa } from '../units.ts';
import { staleInCpuTlb } from './cpuTlbs.ts';
import type { World } from './world.ts';

/** Virtual ns. */
const IO_WAIT = 10_000;
/** What no scenario stores. */
const MARK = 0x4d_41_52_4bn;

const bytesOf = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);

/** Part of a setup: until nothing is being written to a disk or swap device. */
export function* ioDone({ host, sched }: World): Steps {
  while (host.throttle.writebackInFlight > 0) {
    sched.spend(IO_WAIT);
    yield RESCHED;
  }
}

/** Part of a setup: a page of RAM is on the swap device and nowhere else. */
export function assertSwappedOut(world: World, page: number): void {
  const pte = inspectPte(world.mm, world.hva(page));
  if (!isSwapPte(pte) || world.host.swap!.inspect(swapPteSlot(pte)).page > 0)
    bug('the page was not swapped out', { page });
}

/** What ksmd does: looks at everything that was offered to it, once. */
export function* scanForMerging({ host }: World): Steps {
  const { threadMutex } = host.ksm;
  yield* threadMutex.lock();
  yield* ksmDoScan(host, Number.POSITIVE_INFINITY);
  yield* threadMutex.unlock();
}

/** What the flusher does with the file that is guest RAM: begins to write what is dirty, and does not wait. */
export const beginWriteback = ({ file, vm }: World): Steps =>
  writeCachePages(file.mapping, 0, vm.ramPages - 1, 'none');

/** A load by a thread of `mm`. */
export function* loadFrom(world: World, mm: Mm, address: Hva): Steps<bigint> {
  const bytes = new Uint8Array(8);
  const error = yield* copyFromUser(mm, world.sched.current.cpu, address, bytes);
  if (error !== 0) bug('memory of a process cannot be read', { mm: mm.id, address, error });
  return new BigUint64Array(bytes.buffer)[0]!;
}

/** A store by a thread of `mm`, which maps guest physical `address` at `where`. */
export function* storeThrough(world: World, mm: Mm, where: Hva, address: number, value: bigint): Steps {
  const error = yield* copyToUser(mm, world.sched.current.cpu, where, bytesOf(value));
  if (error !== 0) bug('memory of a process cannot be written', { mm: mm.id, where, error });
  world.contents.written(address, bytesOf(value));
}

/** I3: the file that is guest RAM has just been synced, and its page `number` is on the disk as it is in memory. */
export function checkSynced(world: World, number: number): void {
  const [cached, stored] = [new Uint8Array(PAGE_SIZE), new Uint8Array(PAGE_SIZE)];
  const { mapping } = world.file;
  inspectFilePage(mapping, number, cached);
  mapping.ops.inspect(mapping, number, stored);
  const at = cached.findIndex((byte, i) => byte !== stored[i]);
  if (at < 0) return;
  const where = hex(world.page(number) + at);
  world.oracle.report('I3', `the store to ${where} is not on the disk, though fsync has returned`);
}

/** I2: page `number` of RAM, which maps a file, is what is written to the file there. */
export function* checkShared(world: World, number: number): Steps {
  yield* fileWrite(world.file, number * PAGE_SIZE, bytesOf(MARK));
  const seen = yield* loadFrom(world, world.mm, world.hva(number));
  if (seen !== MARK) world.oracle.report('I2', `page ${number} is mapped, but is no part of its file`);
}

/** A device writes to a frame that a driver has pinned; guest physical `address` lies in it. */
export function* storeByDevice({ host, contents }: World, pfn: Pfn, address: number, value: bigint): Steps {
  if (points.on) yield at.page(pfn);
  host.memory.writeBytes(pfnToHpa(pfn), bytesOf(value));
  contents.written(address, bytesOf(value));
}

/** The same by a reference to the page, that of a driver: which marks the folio dirty then, and lets go of the page. */
export function* storeByReference(world: World, pfn: Pfn, address: number, value: bigint): Steps {
  yield* storeByDevice(world, pfn, address, value);
  const folio = world.host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  setPageDirty(world.host, folio);
  yield* putPage(world.host, pfn);
}

/**
 * A call that took something away from a page of RAM has returned: no CPU permits more than the page table (I5), but
 * where somebody else changes an entry just now.
 */
export function hasReturned(world: World, page: number): void {
  world.looked();
  if (world.host.pageTableLocks.some((lock) => lock?.isLocked)) return;
  const found = staleInCpuTlb(world.mm, world.hva(page), world.hva(page + 1));
  if (found !== null) world.oracle.report(found.invariant, found.message);
}

/** I5: reads the first two words of a page of RAM twice; `broken` is what it means if somebody stores to them meanwhile. */
export function* readTwice(world: World, page: number, broken: string): Steps {
  const seen: bigint[] = [];
  for (let i = 0; i < 2; i++)
    for (const offset of [0, 8]) seen.push(yield* world.read64(world.page(page) + offset));
  if (seen[0] !== seen[2] || seen[1] !== seen[3]) world.oracle.report('I5', broken);
}

/** Reclaim has met the folio, or idle page tracking has taken the A of an entry for itself (PG_young). */
const USED = PG_referenced | PG_activate | PG_active | PG_young;

/** I4: whether anything still tells that a page of RAM, which is mapped, was used: an entry, or the folio. */
export function checkUsed(world: World, page: number): void {
  const { kvm, host, oracle } = world;
  const pte = inspectPte(world.mm, world.hva(page));
  if (!isPresent(pte)) bug('the page is not mapped', { page });
  const sptes = gfnToMemslot(kvm, world.gfn(page))?.rmap.sptesOf(world.gfn(page)) ?? [];
  const entries = [pte, ...sptes.map((sptep) => kvm.memory.i32[sptep >>> 2]!)];
  if (entries.some((entry) => isPresent(entry) && (entry & PTE_A) !== 0)) return;
  if ((host.frames.flags[ptePfn(pte)]! & USED) === 0)
    oracle.report('I4', `page ${page} was used by the guest, and nothing tells of it any more`);
}

/** I4: reclaim has left a page of RAM where it was, since it was used. */
export function checkMapped(world: World, page: number): void {
  if (isPresent(inspectPte(world.mm, world.hva(page)))) return;
  world.oracle.report('I4', `page ${page} was used by the guest, and reclaim has taken it`);
}

/** I4: a page of RAM, which is mapped, was used since it was marked idle, and idle page tracking knows. */
export function* checkNotIdle(world: World, page: number): Steps {
  const { host, oracle } = world;
  // Every frame of a host that is explored.
  yield* pageIdleBitmapRead(host, 0, Math.ceil(host.frames.endPfn / 64) * 64);
  const pte = inspectPte(world.mm, world.hva(page));
  if (!isPresent(pte)) bug('the page is not mapped', { page });
  if ((host.frames.flags[ptePfn(pte)]! & PG_idle) !== 0)
    oracle.report('I4', `page ${page} was used by the guest, and counts as idle`);
}
