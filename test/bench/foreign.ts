// Programs built for another machine, on the peer that has it, beside the same programs on Umbra: start-up apart on all
// sides, which is what a run without work takes.

import { join } from 'node:path';
import type { Engine } from './engines.ts';
import { apart } from './measure.ts';
import type { Peer } from './peers.ts';
import { buildProgram, type Program } from './programs.ts';

export interface ForeignResult {
  readonly program: string;
  /** By engine. */
  readonly seconds: Readonly<Record<string, number>>;
  readonly peerSeconds: number;
}

export function measureForeign(
  program: Program,
  engines: readonly Engine[],
  peer: Peer,
  repeats: number,
  folder: string,
): ForeignResult {
  const rounds = Math.ceil(program.rounds / peer.part);
  const paths = { none: join(folder, 'none.elf'), some: join(folder, 'some.elf') };
  buildProgram(program, 0, paths.none);
  buildProgram(program, rounds, paths.some);
  const times = engines.map(() => ({ none: [] as number[], some: [] as number[] }));
  const theirs = { none: [] as number[], some: [] as number[] };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const length of ['none', 'some'] as const) {
      engines.forEach((engine, i) => {
        times[i]![length].push(engine.run(program, paths[length]).seconds);
      });
      theirs[length].push(peer.run(program, length === 'none' ? 0 : rounds, folder));
    }
  }
  const seconds = engines.map(({ name }, i) => [name, apart(times[i]!.some, times[i]!.none)] as const);
  return {
    program: program.name,
    seconds: Object.fromEntries(seconds),
    peerSeconds: apart(theirs.some, theirs.none),
  };
}
