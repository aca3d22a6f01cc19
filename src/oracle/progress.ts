// I9, progress: whether a vCPU faults for ever, or the host works for ever on behalf of its guest, and no instruction
// comes of it.
//
// No limit of instructions ends such a run. machine.ts looks now and then, whether or not it checks anything else.
// What is allowed is a thousand times what guests take that swap on the smallest host: a few dozen exits, some
// hundred steps.
//
// Invariant: a function of the run's steps alone; a vCPU that has halted takes no exits, and time passes without steps.

import type { Kvm } from '../kvm/internals.ts';
import { hex } from '../units.ts';
import type { Report } from './violation.ts';

/** Exits of one vCPU without an instruction. The worst instruction needs some forty pages and shadow pages. */
const MAX_EXITS = 10_000;
/** Scheduler steps without an instruction of any: scanning all pages of a host with 4 GiB a few times takes a tenth. */
const MAX_STEPS = 4_000_000;

/** Where a vCPU was seen last. */
interface Reached {
  /** Instructions. */
  attempted: number;
  /** Exits taken by then. */
  exits: number;
}

const NOWHERE: Reached = { attempted: -1, exits: 0 };

export class ProgressWatch {
  readonly #reached: Reached[] = [];
  #lastStep = 0;

  /** Looks at all vCPUs after `steps` scheduler steps; reports those that stand still. */
  look({ vcpus }: Kvm, steps: number, report: Report): void {
    for (const { index, hart, stats } of vcpus) {
      const { attempted, exits } = this.#reached[index] ?? NOWHERE;
      if (attempted !== hart.attempted || stats.exits === 0) {
        this.#reached[index] = { attempted: hart.attempted, exits: stats.exits };
        this.#lastStep = steps;
      } else if (stats.exits - exits >= MAX_EXITS) {
        report('I9', standstill(`vcpu ${index} took ${stats.exits - exits} exits`, hart.pc));
      }
    }
    const idle = steps - this.#lastStep;
    if (idle >= MAX_STEPS) report('I9', standstill(`the host took ${idle} steps`, vcpus[0]?.hart.pc ?? 0));
  }
}

const standstill = (what: string, pc: number): string =>
  `${what} at pc ${hex(pc)} and no instruction came of it`;
