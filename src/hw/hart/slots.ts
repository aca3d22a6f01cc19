// Slots: where the block keeps each stored CSR, as the index of its low word in Hart.block; the high word follows.
//
// Used by every file of the room that touches a CSR's value directly.

import { CSR_SLOTS, type CsrSlot, csrOffset } from './block.ts';

export const SLOT = Object.fromEntries(CSR_SLOTS.map((name) => [name, csrOffset(name) >> 2])) as Readonly<
  Record<CsrSlot, number>
>;
