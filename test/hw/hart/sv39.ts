// A random program that checks each access against a slow, obvious reference (sv39Program.ts), on the whole machine.
//
// sv39.property.test.ts plays some; the soak `sv39` any number.

import { expect } from 'vitest';
import type { MachineConfig } from '../../../src/machine.ts';
import { type ProgramOptions, RAM_BYTES, sv39Program } from '../../support/sv39Program.ts';
import { runGuest } from '../../vmm/guest.ts';

/** The least host memory: less than the programs touch. */
export const LEAST = 128 * 2 ** 10;

/** Throws with the operation that had another outcome than the reference's. */
export function playSv39(options: ProgramOptions, config: Partial<MachineConfig>): void {
  const { source, operations } = sv39Program(options);
  const { stop } = runGuest(source, { ramBytes: RAM_BYTES, ad: options.ad, ...config });
  const wrong = stop.code === 0 ? null : `${stop.code}: ${operations[stop.code - 1]}`;
  expect({ crash: stop.crash, via: stop.via, wrong }).toEqual({ crash: null, via: 'finisher', wrong: null });
}
