// Counters: mcycle, minstret and their inhibition, on top of the hart's own counts.
//
// csr.ts reads and writes them. mcycle counts attempted instructions (retired or trapped), minstret retired ones, so both
// are functions of the guest's execution alone.
//
// Source: RISC-V Privileged ISA, "Hardware Performance Monitor", "Machine Counter-Inhibit Register". Invariant: the slot
// holds the difference to the hart's count, or the value itself while the counter is inhibited. The instruction that
// writes a counter is not counted in it; one that writes mcountinhibit is counted as that says from then on, as in Spike.

import { hiWord, loWord } from '../../units.ts';
import { COUNTER_CY, COUNTER_IR } from './architecture.ts';
import type { Hart } from './hart.ts';
import { SLOT } from './slots.ts';
import { Word64 } from './word64.ts';

export type Counter = 'mcycle' | 'minstret';

const scratch = new Word64();

const INHIBIT = { mcycle: COUNTER_CY, minstret: COUNTER_IR } as const;

const countOf = (hart: Hart, counter: Counter): number =>
  counter === 'mcycle' ? hart.attempted : hart.retired;

const isInhibited = (hart: Hart, counter: Counter): boolean =>
  (hart.block[SLOT.mcountinhibit]! & INHIBIT[counter]) !== 0;

export function readCounter(hart: Hart, counter: Counter, out: Word64): void {
  const at = SLOT[counter];
  out.lo = hart.block[at]!;
  out.hi = hart.block[at + 1]!;
  if (!isInhibited(hart, counter)) out.add(countOf(hart, counter));
}

export function writeCounter(hart: Hart, counter: Counter, lo: number, hi: number): void {
  store(hart, counter, lo, hi, isInhibited(hart, counter) ? 0 : countOf(hart, counter) + 1);
}

/** Writes mcountinhibit; a counter that stops keeps its value, one that starts goes on from there. */
export function writeInhibit(hart: Hart, value: number): void {
  for (const counter of ['mcycle', 'minstret'] as const) {
    const wanted = (value & INHIBIT[counter]) !== 0;
    if (wanted === isInhibited(hart, counter)) continue;
    readCounter(hart, counter, scratch);
    store(hart, counter, scratch.lo, scratch.hi, wanted ? 0 : countOf(hart, counter));
  }
  hart.block[SLOT.mcountinhibit] = value & (COUNTER_CY | COUNTER_IR);
}

/** Makes the counter lo/hi where the hart's count is `base`, or 0 where it does not count. */
function store(hart: Hart, counter: Counter, lo: number, hi: number, base: number): void {
  const at = SLOT[counter];
  const baseLo = loWord(base);
  hart.block[at] = lo - baseLo;
  hart.block[at + 1] = hi - hiWord(base) - (lo >>> 0 < baseLo >>> 0 ? 1 : 0);
}
