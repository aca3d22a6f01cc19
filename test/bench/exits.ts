// What each kind of exit costs: the wall-clock time of a guest that does nothing else, less the loop around it, in this
// process; and where that time goes, by V8's profiler, in a run of its own.

import { assemble } from '../../src/asm/index.ts';
import { createMachine, MACHINE_DEFAULTS } from '../../src/machine.ts';
import { readProgram } from '../../src/vmm/index.ts';
import { EMPTY, EXIT_KINDS, type ExitKind, exitGuest } from './exitKinds.ts';
import { median } from './measure.ts';
import { type ProfileLine, profileOf } from './profile.ts';

export interface ExitCost {
  readonly kind: string;
  readonly mmu: 'shadow' | 'tdp';
  /** Each time round the loop. */
  readonly nanoseconds: number;
  /** How often a hart came back to the hypervisor, each time round. */
  readonly exits: number;
  /** Functions with most of the time, and their share, where it costs more than a microsecond. */
  readonly profile: readonly ProfileLine[];
}

const MMUS = ['shadow', 'tdp'] as const;
const PROFILED_ABOVE_NS = 1000;
const PROFILE_LINES = 4;

/** Under both MMUs, one kind after the other. */
export function measureExits(repeats: number, onCost: (cost: ExitCost) => void): ExitCost[] {
  const loop = { shadow: costOf(EMPTY, 'shadow', repeats), tdp: costOf(EMPTY, 'tdp', repeats) };
  return EXIT_KINDS.flatMap((kind) =>
    MMUS.map((mmu) => {
      const { nanoseconds, exits } = costOf(kind, mmu, repeats);
      const cost = {
        kind: kind.name,
        mmu,
        nanoseconds: nanoseconds - loop[mmu].nanoseconds,
        exits,
        profile:
          nanoseconds > PROFILED_ABOVE_NS ? profileOf(() => play(kind, mmu, kind.count), PROFILE_LINES) : [],
      };
      onCost(cost);
      return cost;
    }),
  );
}

function costOf(kind: ExitKind, mmu: 'shadow' | 'tdp', repeats: number) {
  const short = Math.ceil(kind.count / 8);
  const runs = Array.from({ length: repeats }, () => {
    const whole = play(kind, mmu, kind.count);
    const part = play(kind, mmu, short);
    return {
      nanoseconds: ((whole.seconds - part.seconds) * 1e9) / (kind.count - short),
      exits: (whole.exits - part.exits) / (kind.count - short),
    };
  });
  return { nanoseconds: median(runs.map((run) => run.nanoseconds)), exits: runs[0]!.exits };
}

function play(kind: ExitKind, mmu: 'shadow' | 'tdp', count: number): { seconds: number; exits: number } {
  const ramBytes = (kind.ramMegabytes ?? 4) * 2 ** 20;
  const { elf } = assemble(exitGuest(kind, count), { file: kind.name });
  const machine = createMachine({
    ...MACHINE_DEFAULTS,
    image: readProgram(elf, kind.name, ramBytes),
    ramBytes,
    hostRamBytes: 2 * ramBytes,
    mmu,
  });
  const start = performance.now();
  machine.runSlice(() => false);
  const seconds = (performance.now() - start) / 1000;
  if (machine.stop?.via !== 'finisher' || machine.stop.code !== 0) {
    throw new Error(`${kind.name}, ${mmu}: ${JSON.stringify(machine.stop)}`);
  }
  return { seconds, exits: machine.progress().exits };
}
