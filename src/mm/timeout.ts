// Sleeping for a time (kernel/time/sleep_timeout.c: schedule_timeout).
//
// The allocator and the OOM reaper wait so for each other. Time is virtual: the sleep costs nothing when nobody else can
// run, and is the same in every run. Whatever else wakes the task, it sleeps on until the time is over.

import { BLOCKED, mightSleep, type Nanoseconds, type Scheduler, type Steps } from '../sched/index.ts';

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
