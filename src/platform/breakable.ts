// Work that may never end and turns no event loop: Ctrl-C breaks it off where it stands, and so does time.
//
// Node's vm can do that for a script; so the work is called from one. JavaScript that is broken off runs no `catch` and no
// `finally` any more: whatever it worked on is good for nothing but to be looked at.

import { type Context, createContext, Script } from 'node:vm';

export type BrokenOff = 'interrupt' | 'time';

/** Above it a timer is none. */
const LONGEST_TIMER = 2 ** 31;

const CALL = new Script('work()');
let context: Context | null = null;

/** Calls `work`; how it was broken off, or null: it has ended. While it runs nobody else hears of SIGINT. */
export function breakable(work: () => void, milliseconds: number): BrokenOff | null {
  context ??= createContext({});
  context.work = work;
  const limit = milliseconds < LONGEST_TIMER ? { timeout: Math.max(1, Math.ceil(milliseconds)) } : {};
  try {
    CALL.runInContext(context, { breakOnSigint: true, displayErrors: false, ...limit });
    return null;
  } catch (error) {
    const { code } = (error ?? {}) as { readonly code?: unknown };
    if (code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED') return 'interrupt';
    if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return 'time';
    throw error;
  }
}
