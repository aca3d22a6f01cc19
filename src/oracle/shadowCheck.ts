// The shadow MMU against the host, between steps: I1, I5, I7 and I10 as far as a look at the tables can tell.
//
// Rule (reference rules 22, 26): outside an open notifier range, a present leaf spte maps the very frame that the host
// maps at that gfn, and permits writing only if the host does; whatever a TLB holds, some spte supports, unless a flush
// of that vCPU, or of that page, is already requested.
//
// Called by oracle.ts between scheduler steps; reads, never writes.

import { isLeaf, isPresent, PTE_PPN_SHIFT, PTE_W, ptePfn } from '../hw/sv39/index.ts';
import { INFO_WRITE } from '../hw/tlb/index.ts';
import { gfnToMemslot, type Kvm, type Memslot, Request, type ShadowPage } from '../kvm/internals.ts';
import { FrameKind, inspectPte } from '../mm/internals.ts';
import { type Gfn, type Hpa, hex, type Pfn } from '../units.ts';
import type { Report } from './violation.ts';

/** Frames that sptes map; the value says whether one of them is writable. */
type Mapped = Map<Pfn, boolean>;

export function checkShadow(kvm: Kvm, report: Report): void {
  const mapped: Mapped = new Map();
  const leaves = [0, 0, 0];
  for (const sp of kvm.shadowPages) leaves[sp.role.level]! += checkPage(kvm, sp, mapped, report);
  const { pages_4k, pages_2m } = kvm.stats;
  if (leaves[0] !== pages_4k || leaves[1] !== pages_2m)
    report('I7', `${leaves} leaf sptes are present by level, but ${pages_4k}, ${pages_2m} are accounted`);
  for (const vcpu of kvm.vcpus) {
    if ((vcpu.requests & Request.tlbFlush) === 0) checkTlb(vcpu, mapped, report);
  }
}

/** The number of present leaves. */
function checkPage(kvm: Kvm, sp: ShadowPage, mapped: Mapped, report: Report): number {
  let leaves = 0;
  let unsyncChildren = 0;
  for (let index = 0; index < sp.entries; index++) {
    const sptep = sp.sptep(index);
    const spte = kvm.memory.i32[sptep >>> 2]!;
    if (!isPresent(spte)) continue;
    if (isLeaf(spte)) {
      leaves++;
      for (let i = 0; i < 512 ** sp.role.level; i++) {
        const frame = (ptePfn(spte) + i) as Pfn;
        mapped.set(frame, (spte & PTE_W) !== 0 || mapped.get(frame) === true);
      }
      checkLeaf(kvm, sp, sptep, spte, report);
      continue;
    }
    const child = kvm.pageOfFrame.get(ptePfn(spte));
    if (child === undefined || child.invalid)
      report('I7', `spte ${hex(sptep)} points to a freed shadow page`);
    else if (!child.parents.has(sptep))
      report('I7', `shadow page of gfn ${hex(child.gfn)} does not know its parent`);
    else if (child.unsync || child.unsyncChildren > 0) unsyncChildren++;
  }
  if (unsyncChildren !== sp.unsyncChildren) {
    report(
      'I10',
      `shadow page of gfn ${hex(sp.gfn)} knows ${sp.unsyncChildren} of ${unsyncChildren} unsync children`,
    );
  }
  return leaves;
}

function checkLeaf(kvm: Kvm, sp: ShadowPage, sptep: Hpa, spte: number, report: Report): void {
  const first = sp.gfnOf(sp.indexOf(sptep));
  const slot = gfnToMemslot(kvm, first);
  const isListed =
    sp.role.level === 0
      ? slot?.rmap.sptesOf(first).includes(sptep)
      : slot?.hugeSptesIn(first, (first + 1) as Gfn).includes(sptep);
  if (isListed === false)
    report('I1', `spte ${hex(sptep)} of gfn ${hex(first)} is in no rmap: no notifier will find it`);
  for (let i = 0; i < 512 ** sp.role.level; i++)
    checkMapping(kvm, (first + i) as Gfn, sptep, spte + (i << PTE_PPN_SHIFT), report);
}

/** One page of what a leaf maps; `spte` is the leaf that would map that alone. */
function checkMapping(kvm: Kvm, gfn: Gfn, sptep: Hpa, spte: number, report: Report): void {
  const slot = gfnToMemslot(kvm, gfn);
  const say: Report = (invariant, what) => report(invariant, `spte ${hex(sptep)} of gfn ${hex(gfn)} ${what}`);
  if (slot === null) {
    say('I1', 'maps a gfn that has no memslot');
    return;
  }
  if (!isBeingInvalidated(kvm, gfn)) checkAgainstHost(kvm, slot, gfn, spte, say);
  if ((spte & PTE_W) === 0) return;
  if (slot.writeTrack.has(gfn)) say('I10', 'is writable, but stores to its gfn must trap');
  const synced = kvm.pagesOfGfn.get(gfn)?.some((table) => !table.role.direct && !table.unsync);
  if (synced) say('I10', 'is writable, but a guest table in sync is there');
}

function checkAgainstHost(kvm: Kvm, slot: Memslot, gfn: Gfn, spte: number, say: Report): void {
  const frame = ptePfn(spte);
  const pte = inspectPte(kvm.mm, slot.hvaOf(gfn));
  if (kvm.host.frames.kind[frame] === FrameKind.free) say('I1', `maps frame ${hex(frame)}, which is free`);
  else if (!isPresent(pte)) say('I1', `maps frame ${hex(frame)}, but the host has no page there`);
  else if (ptePfn(pte) !== frame)
    say('I1', `maps frame ${hex(frame)}, but the host's page is in ${hex(ptePfn(pte))}`);
  else if ((spte & ~pte & PTE_W) !== 0) say('I5', "is writable, but the host's PTE is not");
}

const isBeingInvalidated = (kvm: Kvm, gfn: Gfn): boolean =>
  kvm.mmuInvalidateInProgress > 0 && gfn >= kvm.mmuInvalidateRangeStart && gfn < kvm.mmuInvalidateRangeEnd;

function checkTlb(vcpu: Kvm['vcpus'][number], mapped: Mapped, report: Report): void {
  const flushed = (vcpu.requests & Request.tlbFlushPages) !== 0 ? vcpu.pagesToFlush : [];
  vcpu.hart.tlb.forEach((_regime, page, frame, info, kind) => {
    if (flushed.some((request) => request.page === page)) return;
    const writable = mapped.get(frame);
    if (writable === true || (writable === false && (info & INFO_WRITE) === 0)) return;
    const what = `vcpu ${vcpu.index}: ${kind} TLB entry for ${hex(page)}`;
    if (writable === undefined) report('I1', `${what} maps frame ${hex(frame)}, which no spte maps any more`);
    else report('I5', `${what} is writable, but no spte of its frame is`);
  });
}
