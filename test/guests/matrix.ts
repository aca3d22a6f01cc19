// Every guest at every setting that matters: both MMUs, with the least host memory and with plenty, and the thrasher as
// the big one that it is, on one hart and on four; and what must hold of each run.
//
// guests.test.ts runs what is quick of it. All of it is for a soak: a case takes up to half a minute.

import type { MmuKind } from '../../src/hw/hart/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { GUEST_NAMES, type GuestProgram, type GuestRun, loadGuest, runGuest } from './support.ts';

export const MMUS: readonly MmuKind[] = ['shadow', 'tdp'];

/** Host memory of the showcase: the thrasher with its 64 MiB of buffer on a host with 16. */
export const SHOWCASE_HOST_RAM = 16 * 2 ** 20;

export const plentyFor = ({ ramBytes }: GuestProgram['header']): number => 2 * ramBytes + 4 * 2 ** 20;

export interface GuestCase {
  readonly name: string;
  readonly mmu: MmuKind;
  readonly vcpus: number;
  readonly hostRamBytes: number;
}

/** The showcase's four, then every guest as its header has it. */
export function guestMatrix(): GuestCase[] {
  const showcases = MMUS.flatMap((mmu) =>
    [1, 4].map((vcpus) => ({ name: 'thrash', mmu, vcpus, hostRamBytes: SHOWCASE_HOST_RAM })),
  );
  const others = GUEST_NAMES.flatMap((name) => {
    const { header } = loadGuest(name);
    const sizes = [header.hostRamBytes, plentyFor(header)];
    return MMUS.flatMap((mmu) =>
      sizes.map((hostRamBytes) => ({ name, mmu, vcpus: header.vcpus, hostRamBytes })),
    );
  });
  return [...showcases, ...others];
}

/** A header rounds its count of instructions; that of a program of some hundred is a guess. */
const ROUNDING = 0.05;
const GUESS = 50;

/** What is wrong with a run of `program`: nothing, if all is well. */
export function problemsOf({ header }: GuestProgram, { machine, stop, text, ...run }: GuestRun): string[] {
  const { violations, points } = machine.check;
  const { vm, coverage } = run.statistics;
  const { hostRamBytes, ramBytes } = machine.config;
  const fits = ramBytes <= hostRamBytes;
  const bufferFits = coverage.pages * PAGE_SIZE <= hostRamBytes;
  const problems = {
    [`ended with ${JSON.stringify(stop)}`]:
      stop.via === null || stop.code !== header.exitCode || stop.crash !== null,
    [`printed ${JSON.stringify(text)}`]: text !== header.output,
    [`broke ${JSON.stringify(violations)}`]: violations.length > 0,
    'was never checked': machine.config.check !== 'off' && points === 0,
    [`executed ${run.instructions} instructions`]: !isAbout(run.instructions, header, machine.config.vcpus),
    'swapped nothing out, though it is bigger than the host': !fits && vm.pswpout === 0,
    [`never swapped ${coverage.neverSwapped} pages`]: !bufferFits && coverage.neverSwapped > 0,
    'swapped, though it is smaller than the host': fits && vm.pswpout! > 0,
  };
  return Object.keys(problems).filter((problem) => problems[problem]);
}

/** Harts beyond those of the header share the work, so they wait for each other. */
function isAbout(executed: number, header: GuestProgram['header'], vcpus: number): boolean {
  const { instructions } = header;
  if (instructions === null) return true;
  const margin = Math.max(GUESS, instructions * ROUNDING);
  const mayWait = header.harts === 'wait' || vcpus > header.vcpus;
  return executed >= instructions - margin && (mayWait || executed <= instructions + margin);
}

/**
 * One case of the matrix, for a soak: case `seed` modulo their number, with `seed` as the machine's. Throws if it
 * fails.
 */
export function playGuestCase(seed: number): void {
  const matrix = guestMatrix();
  const { name, ...config } = matrix[seed % matrix.length]!;
  const program = loadGuest(name);
  const found = problemsOf(program, runGuest(program, { ...config, seed }));
  if (found.length > 0) throw new Error(`${name}, ${JSON.stringify(config)}: it ${found.join('; it ')}`);
}
