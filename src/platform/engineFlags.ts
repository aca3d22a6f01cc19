// What V8 is told while the command runs: to compile WebAssembly without looks at the stack and by its branch hints, and to
// let JavaScript be at the start of a run.
//
// Called by cli/main.ts around a verb, and by cli/session.ts. V8 looks at its stack limit in each function and in each
// round of each loop, which takes a tenth of the time of guest code in tight loops. Nothing here needs it: translated code
// never calls more than a few functions deep, and runs for a slice at a time: whoever wants to stop it waits for no more
// than that. Without the hints, the ways out of guest code, one at each access, stand amid what they are the way out of.
// And V8 reads each function of a module twice: to compile it when it is first called, and before that to check it, with the
// help of other threads, for which it waits while the computer is busy with something else.
//
// Optimising JavaScript takes V8 tens of milliseconds on another core, half of them for the interpreter of guest code. A
// program that is over in as many gets nothing of it: it shares the cores with V8, and waits for it at the exit.
//
// Invariant: what the flags were before is what they are afterwards, since V8 refuses code that was cached under others.

import { setFlagsFromString } from 'node:v8';

/**
 * Whether V8 compiles WebAssembly from now on for guests: without looks at its stack limit, what a branch hint says is rare
 * apart from what is not, and each function checked no earlier than it is compiled. At first it does not.
 */
export function compileForGuests(on: boolean): void {
  setFlagsFromString(on ? '--no-wasm-stack-checks' : '--wasm-stack-checks');
  setFlagsFromString(on ? '--experimental-wasm-branch-hinting' : '--no-experimental-wasm-branch-hinting');
  setFlagsFromString(on ? '--wasm-lazy-validation' : '--no-wasm-lazy-validation');
}

/** Estimated bytes of machine code from which V8 makes it of bytecode, a batch of functions at a time: V8's own, and fewer. */
const BATCH_BYTES = 4096;
const SMALL_BATCH_BYTES = 500;

/**
 * Whether V8 optimises JavaScript that gets hot from now on, or has got hot; at first it does. While it does not, it is all
 * the quicker with what is no optimisation: machine code straight from bytecode.
 */
export function optimiseJavaScript(on: boolean): void {
  setFlagsFromString(on ? '--opt' : '--no-opt');
  setFlagsFromString(`--baseline-batch-compilation-threshold=${on ? BATCH_BYTES : SMALL_BATCH_BYTES}`);
}
