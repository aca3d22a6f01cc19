// The face of sched/: deterministic concurrency for everything that runs on a host.

export { ACCESS_MODES, type AccessMode, type AccessObserver, accesses, canRace } from './accesses.ts';
export { Mutex, RwLock } from './lock.ts';
export { fsReclaimAcquire, fsReclaimRelease, LOCK_MAPS, mightAlloc, mightFault } from './lockdep.ts';
export { LOCKS, type LockClass } from './lockOrder.ts';
export { at, POINT_KINDS, type Point, type PointKind, points } from './points.ts';
export { type Policy, randomPolicy, replayPolicy, runPolicy } from './policies.ts';
export { Random } from './random.ts';
export { Srcu } from './rcu.ts';
export { type Idle, type Nanoseconds, Scheduler, type SchedulerState } from './scheduler.ts';
export {
  type Awaited,
  BLOCKED,
  COND_RESCHED,
  type HeldLock,
  mightSleep,
  nonBlockEnd,
  nonBlockStart,
  RESCHED,
  type Steps,
  type Stop,
  Task,
  type Yielded,
} from './task.ts';
export { WaitQueue } from './wait.ts';
export { Marked, smpMb, smpRmb, smpWmb } from './weakMemory.ts';
