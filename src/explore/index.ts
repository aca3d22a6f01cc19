// The face of explore/: scenarios, and the explorer that runs them in every order.

export { BoundedSearch, MAX_BOUND, MAX_HARDWARE } from './bounded.ts';
export { type CounterexampleOptions, counterexample } from './counterexample.ts';
export { Explorer, type RunResult } from './explorer.ts';
export type { GuestPaging } from './guestPaging.ts';
export {
  assertSwappedOut,
  beginWriteback,
  checkMapped,
  checkNotIdle,
  checkShared,
  checkSynced,
  checkUsed,
  hasReturned,
  ioDone,
  loadFrom,
  readTwice,
  scanForMerging,
  storeByDevice,
  storeByReference,
  storeThrough,
} from './hostTasks.ts';
export { type Lanes, type Step, traceRun } from './lanes.ts';
export { minimise, passingTwin, type Twin } from './minimise.ts';
export { GUEST_PAGING, SUPERVISOR, writeTables } from './pagedGuest.ts';
export { comesBefore, type Part, type PartRequest, type PartResult, type Shard } from './part.ts';
export { DEFAULT_HARDWARE, isExhaustive, POLICIES, POLICY_NAMES, type PolicyName } from './policies.ts';
export type { HostShape, Scenario, VmShape } from './scenario.ts';
export { formatSchedule, parseSchedule, type Schedule } from './schedule.ts';
export { Progress, partOf, Search, type SearchOptions, type SearchState } from './search.ts';
export { type KnownObject, Sharing } from './sharing.ts';
export { pctStrategy, posStrategy, randomStrategy } from './strategies.ts';
export { type Found, thrownText } from './verdict.ts';
export { RAM, World } from './world.ts';
