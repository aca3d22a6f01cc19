// vtop: where an address leads, through every stage: the guest's tables, the memslot, the host's tables, the frame or the
// swap slot; and what has it cached: sptes and TLB entries, and whether these agree.
//
// `umbra vtop` and GDB's `monitor vtop` print it. Looks between steps, and changes nothing.

import { isPresent, ptePfn } from '../../hw/sv39/index.ts';
import type { Vcpu } from '../../kvm/index.ts';
import { HUGE_GFNS } from '../../kvm/internals.ts';
import {
  inspectPte,
  isMigrationPte,
  isPresentPte,
  isSwapPte,
  migrationPfn,
  swapPteSlot,
} from '../../mm/internals.ts';
import {
  type Gfn,
  type Gpa,
  gpaToGfn,
  type Hva,
  hex,
  PAGE_SIZE,
  type Pfn,
  pageAlignDown,
  pageOffset,
} from '../../units.ts';
import type { GuestView } from './guestView.ts';
import { shadowedFrames, tlbEntriesOf, verdictOf } from './tlbEntries.ts';

export type AddressKind = 'gva' | 'gpa' | 'hva';

const FLAGS = 'vrwxugad';
const flagsOf = (pte: number): string =>
  [...FLAGS].map((letter, bit) => ((pte >>> bit) & 1 ? letter : '-')).join('');

/** Lines of "name  value". */
export function vtopText(view: GuestView, vcpu: Vcpu, kind: AddressKind, address: number): string {
  const lines: string[] = [];
  const put = (name: string, value: string): void => {
    lines.push(`${name.padEnd(9)} ${value}\n`);
  };
  let gpa: Gpa | null = kind === 'gpa' ? (address as Gpa) : null;
  if (kind === 'gva') gpa = guestStage(view, vcpu, address, put);
  const hva =
    kind === 'hva' ? (pageAlignDown(address) as Hva) : gpa === null ? null : memslotStage(view, gpa, put);
  if (kind === 'hva') gpa = gpaOfHva(view, address, put);
  const pfn = hva === null ? null : hostStage(view, hva, pageOffset(address), put);
  if (gpa !== null) shadowStage(view, gpa, pfn, put);
  tlbStage(view, kind === 'gva' ? address : null, gpa, pfn, put);
  return lines.join('');
}

type Put = (name: string, value: string) => void;

function guestStage(view: GuestView, vcpu: Vcpu, gva: number, put: Put): Gpa | null {
  const { gpa, trail } = view.translate(vcpu.hart, gva);
  put('gva', hex(gva));
  for (const { level, address, lo } of trail) {
    put(`  level ${level}`, `gpte ${hex(lo >>> 0)} ${flagsOf(lo)} at gpa ${hex(address)}`);
  }
  if (trail.length === 0) put('', 'the guest does not translate: satp is bare, or M mode');
  if (gpa === null) put('gpa', "not mapped by the guest's tables");
  return gpa;
}

function memslotStage(view: GuestView, gpa: Gpa, put: Put): Hva | null {
  const slot = view.slotOf(gpa);
  put('gpa', `${hex(gpa)} gfn ${hex(gpaToGfn(gpa))}`);
  if (slot === null) {
    put('memslot', 'none: a device, or nothing');
    return null;
  }
  put('memslot', `${slot.id} base gfn ${hex(slot.baseGfn)} pages ${slot.npages}`);
  return slot.hvaOf(gpaToGfn(gpa));
}

function gpaOfHva(view: GuestView, hva: number, put: Put): Gpa | null {
  for (const slot of view.kvm.memslots) {
    const page = Math.floor((hva - slot.userspaceAddr) / PAGE_SIZE);
    if (page < 0 || page >= slot.npages) continue;
    const gpa = ((slot.baseGfn + page) * PAGE_SIZE + pageOffset(hva)) as Gpa;
    put('gpa', `${hex(gpa)} gfn ${hex(gpaToGfn(gpa))}`);
    return gpa;
  }
  put('gpa', 'no guest memory');
  return null;
}

/** The frame, or null. */
function hostStage(view: GuestView, hva: Hva, offset: number, put: Put): Pfn | null {
  const pte = inspectPte(view.kvm.mm, hva);
  put('hva', `${hex(hva + offset)} pte ${hex(pte >>> 0)} ${flagsOf(pte)}`);
  if (isSwapPte(pte)) put('swap', `slot ${swapPteSlot(pte)}`);
  else if (isMigrationPte(pte)) put('frame', `pfn ${hex(migrationPfn(pte))} is being moved`);
  else if (!isPresentPte(pte)) put('frame', 'none: the page was never touched');
  if (!isPresentPte(pte)) return null;
  const { frames } = view.kvm.host;
  const pfn = ptePfn(pte);
  put('frame', `pfn ${hex(pfn)} refcount ${frames.refcount[pfn]} mapcount ${frames.mapcount[pfn]}`);
  return pfn;
}

function shadowStage(view: GuestView, gpa: Gpa, pfn: Pfn | null, put: Put): void {
  const gfn = gpaToGfn(gpa);
  const slot = view.slotOf(gpa);
  const small = slot?.rmap.sptesOf(gfn) ?? [];
  const huge = slot?.hugeSptesIn(gfn, (gfn + 1) as Gfn) ?? [];
  const sptes = [...small, ...huge];
  if (sptes.length === 0) put('spte', 'none');
  for (const sptep of sptes) {
    const spte = view.kvm.memory.i32[sptep >>> 2]!;
    const mapped = huge.includes(sptep) ? ptePfn(spte) + (gfn % HUGE_GFNS) : ptePfn(spte);
    const agrees = isPresent(spte) && mapped === pfn;
    put(
      'spte',
      `${hex(spte >>> 0)} ${flagsOf(spte)} at ${hex(sptep)} pfn ${hex(ptePfn(spte))} ${agrees ? 'agree' : 'STALE'}`,
    );
  }
}

/** Entries for the virtual page, and those for the frame: of every vCPU. */
function tlbStage(view: GuestView, gva: number | null, gpa: Gpa | null, pfn: Pfn | null, put: Put): void {
  const frames = shadowedFrames(view.kvm);
  let found = 0;
  for (const vcpu of view.kvm.vcpus) {
    for (const entry of tlbEntriesOf(vcpu)) {
      const names = entry.regime.paged
        ? gva !== null && entry.page === pageAlignDown(gva)
        : gpa !== null && entry.page === pageAlignDown(gpa);
      if (!names && entry.pfn !== pfn) continue;
      found++;
      const verdict = names && pfn !== null && entry.pfn !== pfn ? 'STALE' : verdictOf(entry, vcpu, frames);
      put('tlb', `vcpu ${vcpu.index} ${entry.kind} ${hex(entry.page)} -> pfn ${hex(entry.pfn)} ${verdict}`);
    }
  }
  if (found === 0) put('tlb', 'no entry');
}
