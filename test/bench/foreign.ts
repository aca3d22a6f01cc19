// Programs built for another machine, on the peer that has it, beside the same programs on Umbra: start-up apart on both
// sides, which is what a run without work takes.

import { join } from 'node:path';
import type { Engine } from './engines.ts';
import { apart } from './measure.ts';
import type { Peer } from './peers.ts';
import { buildProgram, type Program } from './programs.ts';

export interface ForeignResult {
  readonly program: string;
  readonly seconds: number;
  readonly peerSeconds: number;
}

/** A whole program is about 2 G instructions, which take a peer too long. */
const PART = 10;

export function measureForeign(
  program: Program,
  engine: Engine,
  peer: Peer,
  repeats: number,
  folder: string,
): ForeignResult {
  const rounds = Math.ceil(program.rounds / PART);
  const paths = { none: join(folder, 'none.elf'), some: join(folder, 'some.elf') };
  buildProgram(program, 0, paths.none);
  buildProgram(program, rounds, paths.some);
  const times = {
    ours: [] as number[],
    oursIdle: [] as number[],
    theirs: [] as number[],
    theirsIdle: [] as number[],
  };
  for (let repeat = 0; repeat < repeats; repeat++) {
    times.oursIdle.push(engine.run(program, paths.none).seconds);
    times.theirsIdle.push(peer.run(program, 0, folder));
    times.ours.push(engine.run(program, paths.some).seconds);
    times.theirs.push(peer.run(program, rounds, folder));
  }
  return {
    program: program.name,
    seconds: apart(times.ours, times.oursIdle),
    peerSeconds: apart(times.theirs, times.theirsIdle),
  };
}
