// A guest under Sv39 for tests of kvm: fixed places for its tables and data, boot, and a look at what shadows them.
//
// Page numbers count pages of guest RAM: 0 is code, 1 to 3 the tables that bootPaged() links, 4 to 7 are free for more
// tables, data begins at 8. The virtual page at VA + i pages is meant for data page 8 + i.

import { isPresent } from '../../src/hw/sv39/index.ts';
import { gfnToMemslot, type Kvm, type ShadowPage } from '../../src/kvm/internals.ts';
import { MADV_PAGEOUT, madvise, reclaimSwapCache } from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { GuestHart, PHYSICAL } from './guestHart.ts';
import { entryFor, KERNEL_PAGE, leafEntry, linkTables, type Tables } from './guestTables.ts';
import { RAM, type TestVm } from './testVm.ts';

/** Guest physical address of page `number`. */
export const pageAt = (number: number): number => RAM + number * PAGE_SIZE;

export const TABLES: Tables = { root: pageAt(1), middle: pageAt(2), leaf: pageAt(3) };
export const MEGAPAGE = 512 * PAGE_SIZE;
export const FIRST_DATA = 8;
/** Guest virtual address of the page that is meant for data page 8 + `index`. */
export const vaOf = (index: number): number => 0x10_0000 + index * PAGE_SIZE;
/** The data page that vaOf(index) is meant for. */
export const dataAt = (index: number): number => pageAt(FIRST_DATA + index);

/** Makes these pages of the guest empty tables, as a loader does before the guest runs. */
export function* clearPages(vm: TestVm, ...numbers: readonly number[]): Steps {
  for (const number of numbers) yield* vm.write(pageAt(number), new Uint8Array(PAGE_SIZE));
}

/** Writes the tables, before any hart runs: vaOf(i) -> data page 8 + i with `flags`, for the first `pages`. */
export function* makeTables(vm: TestVm, pages: number, flags: number = KERNEL_PAGE): Steps {
  yield* clearPages(vm, 1, 2, 3);
  const write = (gpa: number, entry: bigint): Steps => vm.write64(gpa, entry);
  yield* linkTables(write, TABLES, vaOf(0));
  for (let i = 0; i < pages; i++) yield* write(leafEntry(TABLES, vaOf(i)), entryFor(dataAt(i), flags));
}

/** Hart `index`, reset, with satp pointing to `root`. */
export function* bootPaged(vm: TestVm, index = 0, root: number | null = TABLES.root): Steps<GuestHart> {
  const hart = new GuestHart(vm.kvm.vcpus[index]!);
  yield* hart.reset();
  yield* hart.satp(root);
  return hart;
}

/** The hart stores `entry` where the leaf table says what vaOf(index) is; no fence. */
export function* setLeaf(hart: GuestHart, index: number, entry: bigint): Steps {
  yield* hart.store64(leafEntry(TABLES, vaOf(index)), entry, PHYSICAL);
}

/** The leaf sptes that map guest page `number`, as they are now. */
export function sptesOf(vm: TestVm, number: number): number[] {
  const gfn = vm.gfn(number);
  const sptes = gfnToMemslot(vm.kvm, gfn)?.rmap.sptesOf(gfn) ?? [];
  return sptes.map((sptep) => vm.host.memory.i32[sptep >>> 2]!);
}

export const indirectPages = (kvm: Kvm): ShadowPage[] => [...kvm.shadowPages].filter((sp) => !sp.role.direct);

/** The shadow page of the guest's table in page `number`, used at `level`. */
export function shadowOf(vm: TestVm, number: number, level: number): ShadowPage | undefined {
  return indirectPages(vm.kvm).find((sp) => sp.gfn === vm.gfn(number) && sp.role.level === level);
}

/** The host swaps guest page `number` out and gives its frame to others. */
export function* pageOut(vm: TestVm, number: number): Steps {
  const { mm, host } = vm;
  const hva = vm.hvaOf(pageAt(number));
  // A page whose last swap-out is still being written stays for now.
  while (isPresent(inspectPte(mm, hva))) {
    if ((yield* madvise(mm, hva, PAGE_SIZE, MADV_PAGEOUT)) !== 0) throw new Error('madvise failed');
    vm.sched.spend(WRITEBACK_TIME);
    yield RESCHED;
  }
  yield* reclaimSwapCache(host);
}

/** More than the swap device takes, ns. */
const WRITEBACK_TIME = 1_000_000;
