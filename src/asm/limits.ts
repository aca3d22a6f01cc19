// Limits: what an assembly source may ask for, so that no input hangs the assembler or exhausts its memory.
//
// Read wherever something can multiply: input.ts, expression.ts, sections.ts, assembly.ts. All are far above what a
// compiler or a person writes.

/** Characters of source, and characters that macros and repetitions may expand to. */
export const MAX_SOURCE = 16 * 2 ** 20;
export const MAX_EXPANSION = 16 * 2 ** 20;
/** Statements processed, repetitions included. */
export const MAX_STATEMENTS = 1_000_000;
/** Nesting of macro calls and repetitions, and of .if and section stacks. */
export const MAX_NESTING = 100;
/** Depth of an expression, through the definitions of the symbols in it. */
export const MAX_EXPRESSION_DEPTH = 256;
/** Arguments of a macro call, and values of an .irp or .irpc. */
export const MAX_ARGUMENTS = 10_000;
/** Names of symbols, numeric labels included. */
export const MAX_SYMBOLS = 1_000_000;
/** Values whose resolution waits for the layout. */
export const MAX_FIXUPS = 1_000_000;
/** Bytes of all sections that occupy the file. */
export const MAX_OUTPUT = 64 * 2 ** 20;
/** Bytes of one section of zeros that only occupies memory. */
export const MAX_NOBITS = 2 ** 38;
/** Sections. */
export const MAX_SECTIONS = 10_000;
/** Alignment is at most 2^MAX_ALIGN_POWER. */
export const MAX_ALIGN_POWER = 31;
/** Errors reported before giving up. */
export const MAX_ERRORS = 20;
/** Passes that lengthen the branches found out of reach; then one that lengthens all. */
export const MAX_PASSES = 2;
