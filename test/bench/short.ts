// Programs of some 20 M instructions, which are over before everything is warm: the time for them, start-up apart, beside
// the peers'. What a run without work takes is start-up.

import { join } from 'node:path';
import type { Engine } from './engines.ts';
import { apart } from './measure.ts';
import { buildProgram, type Program } from './programs.ts';

export interface ShortResult {
  readonly program: string;
  readonly instructions: number;
  /** By engine, start-up apart. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** A whole program is about 2 G instructions. */
const PART = 100;

/** Measures; throws when an engine fails. */
export function measureShort(
  program: Program,
  engines: readonly Engine[],
  repeats: number,
  folder: string,
): ShortResult {
  const paths = { none: join(folder, 'none.elf'), some: join(folder, 'some.elf') };
  buildProgram(program, 0, paths.none);
  buildProgram(program, Math.max(1, Math.round(program.rounds / PART)), paths.some);
  const times = engines.map(() => ({ none: [] as number[], some: [] as number[] }));
  let instructions = 0;
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const length of ['none', 'some'] as const) {
      engines.forEach((engine, i) => {
        const run = engine.run(program, paths[length]);
        times[i]![length].push(run.seconds);
        if (length === 'some') instructions = run.instructions ?? instructions;
      });
    }
  }
  const seconds = engines.map(({ name }, i) => [name, apart(times[i]!.some, times[i]!.none)] as const);
  return { program: program.name, instructions, seconds: Object.fromEntries(seconds) };
}
