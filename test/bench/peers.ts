// Peers that are not run as QEMU is. v86 runs another machine: found in a folder outside this repository (--peers
// FOLDER, with a node_modules as npm makes it), and given the same programs, built for their machine by the compiler
// that is installed.
//
// What decides how much a program does has 64 bits in both machines; else `long` is what the machine makes of it, 32 bits
// in v86. So all but `matrix`, whose numbers overflow, come to one result. For what a JavaScript interpreter makes of the
// programs Umbra's own stands: no package that interprets RISC-V in JavaScript runs them in bearable time.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMachine, MACHINE_DEFAULTS } from '../../src/machine.ts';
import { readProgram } from '../../src/vmm/index.ts';
import { timed } from './engines.ts';
import { buildProgram, type Program } from './programs.ts';

export interface Peer {
  readonly name: string;
  /** Its version, or null when it cannot be used; then why. */
  readonly version: string | null;
  readonly missing: string | null;
  /** It runs one such part of a whole program, which is about 2 G instructions: all of them take it too long. */
  readonly part: number;
  /** Whether the program can be built for it. */
  runs(name: string): boolean;
  /** Seconds that a run of `program` with `rounds` rounds takes, start-up included. */
  run(program: Program, rounds: number, folder: string): number;
}

const PROGRAMS = join(import.meta.dirname, 'programs');
const COMPILER = 'gcc';
const FLAGS =
  '-m32 -march=i686 -O2 -ffreestanding -fno-builtin -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -nostdlib -static -no-pie -w -Wl,--build-id=none -Wl,-Ttext=0x100000 -Wl,-Tdata=0x200000';

/** v86, from npm: a PC of which the hot code is translated to WebAssembly. */
export function v86(peers: string | null): Peer {
  const folder = peers === null ? null : join(peers, 'node_modules/v86');
  const missing =
    folder === null || !existsSync(folder)
      ? 'not found: npm install v86 in a folder of your own, and --peers FOLDER'
      : canCompile()
        ? null
        : `found, but ${COMPILER} -m32 is not, which builds its programs`;
  return {
    name: 'v86',
    version:
      missing === null ? JSON.parse(readFileSync(join(folder!, 'package.json'), 'utf8')).version : null,
    missing,
    part: 2,
    // sha reckons with 128 bits.
    runs: (name) => name !== 'sha',
    run(program, rounds, scratch) {
      const kernel = join(scratch, `${program.name}-pc.elf`);
      buildForPc(program, rounds, kernel);
      return timed(process.execPath, [join(import.meta.dirname, 'v86.mjs'), join(folder!, 'build'), kernel])
        .seconds;
    },
  };
}

const canCompile = (): boolean =>
  spawnSync(COMPILER, ['-m32', '-E', '-x', 'c', '/dev/null', '-o', '/dev/null']).status === 0;

/** A multiboot kernel with the program on a runtime like that of programs/runtime.s: 4 KiB pages, serial port. */
function buildForPc({ source, bytes }: Program, rounds: number, path: string): void {
  const runtime = path.replace(/elf$/, 'c');
  writeFileSync(
    runtime,
    readFileSync(join(PROGRAMS, 'runtime-pc.c'), 'utf8')
      .replace('ROUNDS', String(rounds))
      .replace('BYTES', String(bytes)),
  );
  timed(COMPILER, [...FLAGS.split(' '), runtime, join(PROGRAMS, `${source}.c`), '-o', path]);
}

/** The hart's interpreter alone, in this process. */
export const interpreter: Peer = {
  name: 'interpreter in JavaScript',
  version: process.version,
  missing: null,
  part: 10,
  runs: () => true,
  run(program, rounds, scratch) {
    const path = join(scratch, 'interpreted.elf');
    buildProgram(program, rounds, path);
    const ramBytes = program.ramMegabytes * 2 ** 20;
    const image = readProgram(readFileSync(path), program.name, ramBytes);
    const config = { ...MACHINE_DEFAULTS, image, ramBytes, hostRamBytes: 2 * ramBytes };
    const start = performance.now();
    const machine = createMachine({ ...config, translate: false });
    machine.runSlice(() => false);
    const seconds = (performance.now() - start) / 1000;
    if (machine.stop?.via !== 'finisher') throw new Error(`${program.name}: ${JSON.stringify(machine.stop)}`);
    return seconds;
  },
};
