// The TLB entries of a vCPU, with what they should say: "agree", or STALE where no spte supports them any more.
//
// A stale entry is no mistake while a flush of the vCPU is requested: it is told so.

import { isLeaf, isPresent, PTE_W, ptePfn } from '../../hw/sv39/index.ts';
import { type EntryKind, INFO_WRITE, type Regime } from '../../hw/tlb/index.ts';
import type { Kvm, Vcpu } from '../../kvm/index.ts';
import { Request } from '../../kvm/internals.ts';
import { hex, type Pfn } from '../../units.ts';

export interface TlbEntry {
  readonly kind: EntryKind;
  readonly regime: Regime;
  /** Address of the page, virtual or guest physical as the regime has it. */
  readonly page: number;
  readonly pfn: Pfn;
  readonly isWritable: boolean;
}

export function tlbEntriesOf(vcpu: Vcpu): TlbEntry[] {
  const entries: TlbEntry[] = [];
  vcpu.hart.tlb.forEach((regime, page, pfn, info, kind) => {
    entries.push({ kind, regime, page, pfn, isWritable: (info & INFO_WRITE) !== 0 });
  });
  return entries.toSorted((a, b) => a.page - b.page);
}

/** Frames that leaf sptes map; true: writable. */
export function shadowedFrames(kvm: Kvm): Map<Pfn, boolean> {
  const frames = new Map<Pfn, boolean>();
  for (const sp of kvm.shadowPages) {
    for (let index = 0; index < sp.entries; index++) {
      const spte = kvm.memory.i32[sp.sptep(index) >>> 2]!;
      if (!isPresent(spte) || !isLeaf(spte)) continue;
      for (let i = 0; i < 512 ** sp.role.level; i++) {
        const pfn = (ptePfn(spte) + i) as Pfn;
        frames.set(pfn, (spte & PTE_W) !== 0 || frames.get(pfn) === true);
      }
    }
  }
  return frames;
}

export function verdictOf(entry: TlbEntry, vcpu: Vcpu, frames: ReadonlyMap<Pfn, boolean>): string {
  const writable = frames.get(entry.pfn);
  if (writable !== undefined && (writable || !entry.isWritable)) return 'agree';
  return (vcpu.requests & Request.tlbFlush) !== 0 ? 'STALE (a flush is requested)' : 'STALE';
}

/** A line for each entry of the vCPU. */
export function tlbText(kvm: Kvm, vcpu: Vcpu): string {
  const frames = shadowedFrames(kvm);
  const entries = tlbEntriesOf(vcpu);
  if (entries.length === 0) return 'the TLB is empty\n';
  const lines = entries.map((entry) => {
    const space = entry.regime.paged ? `asid ${entry.regime.asid}` : 'physical';
    const rights = `r${entry.isWritable ? 'w' : '-'}`;
    const where = hex(entry.page).padStart(18);
    return `${entry.kind.padEnd(7)}${where} -> pfn ${hex(entry.pfn).padEnd(8)} ${rights} ${space.padEnd(9)} ${verdictOf(entry, vcpu, frames)}\n`;
  });
  return lines.join('');
}
