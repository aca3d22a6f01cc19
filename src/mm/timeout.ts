// Sleeping for a time (kernel/time/sleep_timeout.c: schedule_timeout).
//
// The allocator and the OOM reaper wait so for each other. Time is virtual: the sleep costs nothing when nobody else can
// run, and is the same in every run. Whatever else wakes the task, it sleeps on until the time is over.

import { BLOCKED, mightSleep, type Nanoseconds, type Scheduler, type Steps } from '../sched/index.ts';

/** A jiffy, in ns (HZ is 250): how long to keep out of the way of who will be done any moment. */
export const JIFFY: Nanoseconds = 4_000_000;
export const NS_PER_MS: Nanoseconds = 1_000_000;

/** schedule_timeout_uninterruptible(). */
export function* scheduleTimeout(sched: Scheduler, duration: Nanoseconds): Steps {
  const task = sched.current;
  mightSleep(task, 'schedule_timeout');
  let expired = false;
  sched.after(duration, () => {
    expired = true;
    sched.wake(task);
  });
  while (!expired) {
    sched.block('timeout');
    yield BLOCKED;
  }
}
