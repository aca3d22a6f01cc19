// The guest that is an operating system (guests/processes.s), long enough to be warm, beside the peers; and its exits.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../src/asm/index.ts';
import type { Engine } from './engines.ts';
import { median } from './measure.ts';

export interface ProcessesResult {
  readonly engine: string;
  readonly seconds: number;
  readonly instructions: number | null;
  /** By cause; null where the engine does not tell. */
  readonly exits: Readonly<Record<string, number>> | null;
}

const SOURCE = join(import.meta.dirname, '../../guests/processes.s');
const ROUNDS = 80;
const GUEST = { name: 'processes', ramMegabytes: 3 };

export function measureProcesses(
  engines: readonly Engine[],
  repeats: number,
  folder: string,
): ProcessesResult[] {
  const path = join(folder, 'processes.elf');
  const source = readFileSync(SOURCE, 'utf8').replace(/(?<=\.equ ROUNDS, )\d+/, String(ROUNDS));
  writeFileSync(path, assemble(source, { file: 'processes.s' }).elf);
  const runs = Array.from({ length: repeats }, () => engines.map((engine) => engine.run(GUEST, path)));
  return engines.map(({ name }, i) => ({
    engine: name,
    seconds: median(runs.map((round) => round[i]!.seconds)),
    instructions: runs[0]![i]!.instructions,
    exits: runs[0]![i]!.exits,
  }));
}
