// Measuring: one program on several engines, side by side, whole runs and the part of them that is start and warm-up.
//
// A run is a process. Each engine runs the program whole and cut down to an eighth, in turns with the others, so that
// what else the machine does hits all alike; the median of each counts. The difference of the two is the steady rate;
// what a whole run takes beyond its instructions at that rate is start and warm-up.

import { join } from 'node:path';
import type { Engine } from './engines.ts';
import { buildProgram, type Program } from './programs.ts';

export interface Measurement {
  readonly engine: string;
  /** Wall-clock time of a whole run: the median. */
  readonly seconds: number;
  /** Of these, what was not work at the steady rate; null where the program cannot be cut down. */
  readonly startSeconds: number | null;
  /** Millions of guest instructions per second, once warm; likewise. */
  readonly steadyMips: number | null;
}

export interface ProgramResult {
  readonly program: string;
  readonly kind: Program['kind'];
  readonly instructions: number;
  readonly measurements: readonly Measurement[];
}

const ELF_RAM_MEGABYTES = 128;

/** A short run does one round in so many. */
const SHORT = 8;

interface Times {
  readonly whole: number[];
  readonly short: number[];
}

/** Measures; throws when an engine fails, or when two of them come to different results. */
export function measure(
  program: Program,
  engines: readonly Engine[],
  repeats: number,
  folder: string,
): ProgramResult {
  const paths = {
    whole: join(folder, `${program.name}.elf`),
    short: join(folder, `${program.name}-short.elf`),
  };
  buildProgram(program, program.rounds, paths.whole);
  buildProgram(program, Math.floor(program.rounds / SHORT), paths.short);
  const times = engines.map((): Times => ({ whole: [], short: [] }));
  const outputs = { whole: new Set<string>(), short: new Set<string>() };
  const instructions = { whole: 0, short: 0 };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const length of ['short', 'whole'] as const) {
      engines.forEach((engine, i) => {
        const run = engine.run(program, paths[length]);
        times[i]![length].push(run.seconds);
        outputs[length].add(run.output);
        instructions[length] = run.instructions ?? instructions[length];
      });
      if (outputs[length].size !== 1) {
        throw new Error(`${program.name}: engines disagree: ${[...outputs[length]].join(', ')}`);
      }
    }
  }
  const measurements = engines.map((engine, i) => evaluate(engine.name, times[i]!, instructions));
  return { program: program.name, kind: program.kind, instructions: instructions.whole, measurements };
}

/** A program that is there as a file, and cannot be cut down. */
export function measureElf(
  name: string,
  path: string,
  engines: readonly Engine[],
  repeats: number,
): ProgramResult {
  const guest = { name, ramMegabytes: ELF_RAM_MEGABYTES };
  const rounds = Array.from({ length: repeats }, () => engines.map((engine) => engine.run(guest, path)));
  const measurements = engines.map((engine, i) => ({
    engine: engine.name,
    seconds: median(rounds.map((round) => round[i]!.seconds)),
    startSeconds: null,
    steadyMips: null,
  }));
  const instructions = Math.max(...rounds[0]!.map((run) => run.instructions ?? 0));
  return { program: name, kind: 'integer', instructions, measurements };
}

function evaluate(engine: string, times: Times, instructions: { whole: number; short: number }): Measurement {
  const seconds = median(times.whole);
  const perSecond = (instructions.whole - instructions.short) / (seconds - median(times.short));
  return {
    engine,
    seconds,
    startSeconds: seconds - instructions.whole / perSecond,
    steadyMips: perSecond / 1e6,
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * What runs took, less what runs without work took: of each the shortest, which others have disturbed least. A
 * millisecond at least, below which nothing can be told.
 */
export const apart = (whole: readonly number[], idle: readonly number[]): number =>
  Math.max(0.001, Math.min(...whole) - Math.min(...idle));

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
