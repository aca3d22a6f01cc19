// The reservation of LR: the bytes, by host address, that an SC may still store to.
//
// memoryOps.ts and translate/access.ts make it and ask for it; kvm ends it when another hart, a device or the host may
// have stored there.
//
// Source: RISC-V Unprivileged ISA, "Zalrsc". Invariant: it is of a physical address, so that flushing a TLB leaves it
// alone.

import type { Pfn } from '../../units.ts';
import { BLOCK_RESERVATION, BLOCK_RESERVATION_LENGTH } from './block.ts';
import type { Hart } from './hart.ts';

const RESERVATION = BLOCK_RESERVATION >> 2;
const RESERVATION_LENGTH = BLOCK_RESERVATION_LENGTH >> 2;
const NONE = -1;

export function reserve({ block }: Hart, at: number, bytes: number): void {
  block[RESERVATION] = at;
  block[RESERVATION_LENGTH] = bytes;
}

export function hasReservation({ block }: Hart, at: number, bytes: number): boolean {
  const held = block[RESERVATION]!;
  return held !== NONE && held >>> 0 === at && block[RESERVATION_LENGTH] === bytes;
}

export function clearReservation({ block }: Hart): void {
  block[RESERVATION] = NONE;
}

/** The frame stops being what the guest reserved: it was unmapped, and may be written by others. */
export function breakReservation({ block }: Hart, frame: Pfn): void {
  if (block[RESERVATION]! >>> 12 === frame) block[RESERVATION] = NONE;
}
