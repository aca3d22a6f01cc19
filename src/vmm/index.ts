// The face of vmm/: the user-space process that runs a guest, its board, and the reading of guest programs.

export { type ElfImage, type ElfSegment, readElf } from './elf.ts';
export type { ElfSymbol } from './elfSymbols.ts';
export { InputError } from './inputError.ts';
export { Layout } from './layout.ts';
export type { RamBacking } from './process.ts';
export { readProgram } from './program.ts';
export { ScriptError } from './script/line.ts';
export type { Step } from './script/operation.ts';
export { parseScript } from './script/parser.ts';
export { ScriptRunner } from './script/runner.ts';
export type { StopRecord } from './stop.ts';
export { Vmm, type VmmConfig } from './vmm.ts';
