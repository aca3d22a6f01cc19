// Assemble: GNU assembly source to a static RISC-V program in memory: the whole way.
//
// Called by cli and by tests. Source -> statements (source.ts) -> sections, symbols and fixups (statements.ts, a pass over
// an Assembly) -> addresses (layout.ts) -> values in place (resolve.ts) -> ELF (elf.ts). Nothing is relaxed or compressed;
// a further pass is made only for conditional branches that do not reach.
//
// Invariants: the result depends on source and options alone; for any source, assemble() returns or throws
// AssemblerError, within the bounds of limits.ts.

import { Assembly, type FarBranches } from './assembly.ts';
import { type ElfSymbol, writeElf } from './elf.ts';
import { AssemblerError, Diagnostics } from './errors.ts';
import { finalSymbols, settleSymbols } from './finalSymbols.ts';
import { layOut, type Part } from './layout.ts';
import { MAX_PASSES, MAX_SOURCE } from './limits.ts';
import { resolve } from './resolve.ts';
import { type SplitSource, splitSource } from './source.ts';
import { assembleStatements } from './statements.ts';

export interface AssembleOptions {
  /** The name that errors carry. */
  readonly file: string;
  /** Where the program begins, a multiple of 4096 below 2^47; default 0x80000000. */
  readonly base?: number;
}

export interface Assembled {
  /** An ELF64 executable; its entry is `_start`, or else the start of the code. */
  readonly elf: Uint8Array;
  /** Every label (but those beginning with .L) and named constant; beyond 2^53 rounded. */
  readonly symbols: Map<string, number>;
}

const DEFAULT_BASE = 0x80000000;
const PAGE = 4096;

/** Assembles a source. Throws AssemblerError with all that is wrong in it, RangeError for a base that cannot be. */
export function assemble(source: string, options: AssembleOptions): Assembled {
  const { file, base = DEFAULT_BASE } = options;
  if (!(base >= 0 && base < 2 ** 47 && base % PAGE === 0)) throw new RangeError(`bad base address: ${base}`);
  if (source.length > MAX_SOURCE) throw tooLong(file);
  const split = splitSource(source);
  const far = new Set<number>();
  for (let pass = 1; ; pass++) {
    const result = runPass(split, file, base, pass > MAX_PASSES ? 'all' : far);
    if ('elf' in result) return result;
    for (const ordinal of result) far.add(ordinal);
  }
}

function tooLong(file: string): AssemblerError {
  const text = `the source is longer than ${MAX_SOURCE / 2 ** 20} MiB`;
  return new AssemblerError([{ file, line: 1, column: 1, text, sourceLine: '', note: null }]);
}

/** One pass: the program, or the branches that the next pass must make long. Throws AssemblerError. */
function runPass(
  split: SplitSource,
  file: string,
  base: number,
  far: FarBranches,
): Assembled | readonly number[] {
  const diagnostics = new Diagnostics(file, split.lines);
  if (split.openComment !== null) diagnostics.add(split.openComment, 'the comment is never closed');
  const a = new Assembly(far);
  assembleStatements(a, split.statements, diagnostics);
  settleSymbols(a, diagnostics);
  diagnostics.throwIfAny();
  const parts = layOut(a, base);
  const short = resolve(a, diagnostics);
  diagnostics.throwIfAny();
  if (short.length > 0) return short;
  const symbols = finalSymbols(a, parts, diagnostics);
  diagnostics.throwIfAny();
  return finish(parts, symbols);
}

function finish(parts: readonly Part[], symbols: readonly ElfSymbol[]): Assembled {
  const start = symbols.find((symbol) => symbol.name === '_start');
  const entry = start === undefined ? parts[0]!.address : Number(start.value);
  return {
    elf: writeElf({ entry, parts, symbols }),
    symbols: new Map(symbols.map(({ name, value }) => [name, Number(value)])),
  };
}
