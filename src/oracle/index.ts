// The face of oracle/: the invariants of the design, checked on a running machine.

export { SwapCoverage } from './coverage.ts';
export type { WatchedDevice } from './deviceCheck.ts';
export { readPages } from './memory.ts';
export { Oracle } from './oracle.ts';
export { reportStaleHit } from './staleHit.ts';
export type { InvariantName, Report, Violation } from './violation.ts';
