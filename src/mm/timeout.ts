// Sleeping for a time (schedule_timeout): virtual time, so it costs nothing and is the same in every run.

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
