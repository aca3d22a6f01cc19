// The programs of the benchmark: which there are, how often each does its work, and how one becomes an ELF file.
//
// programs/NAME.c is the source; programs/NAME.s is what GCC 12 made of it (-O2 -march=rv64imac -mabi=lp64
// -mcmodel=medany -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables), so
// that the benchmark needs no compiler. Our own assembler puts it together with programs/runtime.s, for every engine
// the same.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../src/asm/index.ts';

export interface Program {
  readonly name: string;
  /** File name in programs/, without its suffix. */
  readonly source: string;
  /** What bench() is called with; about 2 G instructions, a tenth of that for those about memory. */
  readonly rounds: number;
  readonly bytes: number;
  /** What the engines give the guest. */
  readonly ramMegabytes: number;
  /** Arithmetic on little memory, or random access to much of it: two groups of which means are taken apart. */
  readonly kind: 'integer' | 'memory';
}

const FOLDER = join(import.meta.dirname, 'programs');
const MEGABYTE = 2 ** 20;
/** Where random.c has its array, from the start of RAM, and room behind it for the device tree. */
const ARRAY_MEGABYTES = 256;
const DEVICE_TREE_MEGABYTES = 16;

const integer = (name: string, rounds: number): Program => ({
  name,
  source: name,
  rounds,
  bytes: 0,
  ramMegabytes: 16,
  kind: 'integer',
});

const memory = (megabytes: number): Program => ({
  name: `random-${megabytes}M`,
  source: 'random',
  rounds: 10_000_000,
  bytes: megabytes * MEGABYTE,
  ramMegabytes: ARRAY_MEGABYTES + megabytes + DEVICE_TREE_MEGABYTES,
  kind: 'memory',
});

export const PROGRAMS: readonly Program[] = [
  integer('sort', 360),
  integer('sieve', 140),
  integer('matrix', 1050),
  integer('crc', 2500),
  integer('sha', 6000),
  integer('list', 560),
  integer('aes', 268_000),
  integer('lexer', 12_500),
  integer('records', 65_000),
  integer('queens', 5600),
  integer('compress', 1150),
  integer('tree', 600),
  integer('bytecode', 900),
  memory(16),
  memory(64),
  memory(1024),
];

/** Writes the program, doing `rounds` rounds, as an ELF file. */
export function buildProgram({ source, bytes }: Program, rounds: number, path: string): void {
  const text = (name: string): string => readFileSync(join(FOLDER, `${name}.s`), 'utf8');
  const parameters = `\n.data\n.balign 8\nbench_arguments:\n.quad ${rounds}\n.quad ${bytes}\n`;
  writeFileSync(path, assemble(`${text('runtime')}\n${text(source)}${parameters}`, { file: source }).elf);
}
