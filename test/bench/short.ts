// Programs of some 20 M instructions, which are over before everything is warm: the time for them, start-up apart, beside
// the peers'.
//
// Start-up is what the same program takes without rounds, whatever it prepares before them included. That run and the one
// with rounds are a pair, one directly after the other, in changing order; the difference of a pair is the time for the
// rounds. Of many pairs, with the engines in turns, the median of the differences counts, and its 95 % confidence interval
// says what it is worth. An engine that is quick runs more pairs in its turn.

import { join } from 'node:path';
import type { Engine } from './engines.ts';
import { type Interval, medianInterval } from './pairs.ts';
import { buildProgram, type Program } from './programs.ts';

export interface ShortResult {
  readonly program: string;
  /** Of the rounds. */
  readonly instructions: number;
  /** By engine, start-up apart. */
  readonly seconds: Readonly<Record<string, Interval>>;
}

/** A whole program is about 2 G instructions. */
const PART = 100;
/** At least, of an engine's turn. */
const TURN_SECONDS = 0.2;

/** Measures, in so many turns of each engine; throws when an engine fails. */
export function measureShort(
  program: Program,
  engines: readonly Engine[],
  turns: number,
  folder: string,
): ShortResult {
  const paths = { none: join(folder, 'none.elf'), some: join(folder, 'some.elf') };
  buildProgram(program, 0, paths.none);
  buildProgram(program, Math.max(1, Math.round(program.rounds / PART)), paths.some);
  const differences = engines.map((): number[] => []);
  const instructions = { none: 0, some: 0 };
  const pair = (engine: Engine, isSomeFirst: boolean): { none: number; some: number } => {
    const seconds = { none: 0, some: 0 };
    for (const length of isSomeFirst ? (['some', 'none'] as const) : (['none', 'some'] as const)) {
      const run = engine.run(program, paths[length]);
      seconds[length] = run.seconds;
      instructions[length] = run.instructions ?? instructions[length];
    }
    return seconds;
  };
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, engine] of engines.entries()) {
      for (let spent = 0; spent < TURN_SECONDS; ) {
        const { none, some } = pair(engine, differences[i]!.length % 2 === 1);
        differences[i]!.push(some - none);
        spent += none + some;
      }
    }
  }
  const seconds = engines.map(({ name }, i) => [name, medianInterval(differences[i]!)] as const);
  return {
    program: program.name,
    instructions: instructions.some - instructions.none,
    seconds: Object.fromEntries(seconds),
  };
}
