// Which task each host CPU runs, for tracers: sched_switch and sched_wakeup as Linux traces them.
//
// The scheduler calls it while somebody traces; it decides nothing. A CPU whose task blocks while no other of its
// tasks can run goes to the idle task, which is number 0.

import type { Task } from './task.ts';

/** The tracepoints that the scheduler calls (trace/ has them); null: nobody listens. */
export interface SchedTracepoints {
  readonly sched_switch: SchedSwitch | null;
  readonly sched_wakeup: ((pid: number, prio: number, cpu: number) => void) | null;
}

type SchedSwitch = (
  prevPid: number,
  prevPrio: number,
  prevState: number,
  nextPid: number,
  nextPrio: number,
) => void;

/** Of every task: nice 0. */
const PRIORITY = 120;
const IDLE = 0;
const TASK_INTERRUPTIBLE = 1;
const TASK_DEAD = 16;
/** Runnable, and gave the CPU away. */
const TASK_PREEMPTED = 256;

export class Switches {
  /** By CPU; a CPU without one idles. */
  readonly #onCpu = new Map<number, Task>();

  /** `next` is about to run. */
  to(next: Task, trace: SchedSwitch): void {
    const previous = this.#onCpu.get(next.cpu);
    if (previous === next) return;
    this.#onCpu.set(next.cpu, next);
    trace(previous?.id ?? IDLE, PRIORITY, stateOf(previous), next.id, PRIORITY);
  }

  /** `task` has blocked or ended, and no task of its CPU can run. */
  idle(task: Task, trace: SchedSwitch): void {
    if (this.#onCpu.get(task.cpu) !== task) return;
    this.#onCpu.delete(task.cpu);
    trace(task.id, PRIORITY, stateOf(task), IDLE, PRIORITY);
  }

  woken(task: Task, { sched_wakeup: trace }: SchedTracepoints): void {
    trace?.(task.id, PRIORITY, task.cpu);
  }
}

function stateOf(task: Task | undefined): number {
  if (task === undefined) return 0;
  if (task.state === 'runnable') return TASK_PREEMPTED;
  return task.state === 'blocked' ? TASK_INTERRUPTIBLE : TASK_DEAD;
}
