// Restraint: keeps frames whose code is rewritten again and again from being translated again and again.
//
// Asked by translator.ts each time that an entry point gets hot. The first few invalidations of a frame cost nothing;
// from then on each one doubles how often hot entries are turned away. Counts events, not time, so it is deterministic.

import type { Pfn } from '../../../units.ts';

const FREE_INVALIDATIONS = 4;
const MAX_DOUBLINGS = 10;

interface Record {
  invalidations: number;
  /** Hot entries still to be turned away. */
  refusals: number;
}

export class Restraint {
  private readonly records = new Map<Pfn, Record>();

  /** Translated code of the frame was overwritten. */
  invalidated(pfn: Pfn): void {
    const record = this.records.get(pfn) ?? { invalidations: 0, refusals: 0 };
    record.invalidations++;
    const doublings = Math.min(record.invalidations - FREE_INVALIDATIONS, MAX_DOUBLINGS);
    record.refusals = doublings > 0 ? 2 ** doublings - 1 : 0;
    this.records.set(pfn, record);
  }

  /** The frame's content as a whole is gone: what it holds next starts afresh. */
  forget(pfn: Pfn): void {
    this.records.delete(pfn);
  }

  /** Whether a hot entry of the frame must not be translated now; counts it. */
  refuses(pfn: Pfn): boolean {
    const record = this.records.get(pfn);
    if (record === undefined || record.refusals === 0) return false;
    record.refusals--;
    return true;
  }

  /** Whether entries of the frame have to get hot again before anything of it is translated. */
  isRestrained(pfn: Pfn): boolean {
    return (this.records.get(pfn)?.refusals ?? 0) > 0;
  }
}
