// The assembler: GNU assembly source in, a static RISC-V ELF64 program out.

export { type Assembled, type AssembleOptions, assemble } from './assemble.ts';
export { AssemblerError, type Diagnostic } from './errors.ts';
