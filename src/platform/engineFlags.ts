// What V8 is told while the command runs: to compile WebAssembly without looks at the stack.
//
// Called by cli/main.ts around a verb. V8 looks at its stack limit in each function and in each round of each loop, which
// takes a tenth of the time of guest code in tight loops. Nothing here needs it: translated code never calls more
// than a few functions deep, and runs for a slice at a time: whoever wants to stop it waits for no more than that.
//
// Invariant: what the flags were before is what they are afterwards, since V8 refuses code that was cached under others.

import { setFlagsFromString } from 'node:v8';

/** Whether V8 looks at its stack limit in WebAssembly that it compiles from now on; at first it does. */
export const checkWasmStack = (on: boolean): void =>
  setFlagsFromString(on ? '--wasm-stack-checks' : '--no-wasm-stack-checks');
