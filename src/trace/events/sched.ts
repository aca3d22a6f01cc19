// sched: as Linux has it (include/trace/events/sched.h): which task runs on which CPU. KernelShark and Perfetto draw
// their CPU rows from these.
//
// sched/ calls these. Every task of a host has priority 120; a vCPU thread is a task, and its id is its pid.

import { flagged, system, type Term } from '../shape.ts';

/** Task states as sched_switch has them. */
export const TASK_INTERRUPTIBLE = 1;
export const TASK_DEAD = 16;
/** Runnable, and gave the CPU away: prints as R+. */
export const TASK_PREEMPTED = 256;

const STATES = [
  [1, 'S'],
  [2, 'D'],
  [4, 'T'],
  [8, 't'],
  [16, 'X'],
  [32, 'Z'],
  [64, 'P'],
  [128, 'I'],
] as const;

const REPORTED = 255;
const named = flagged('prev_state', STATES, 'R');

const state: Term = {
  field: 'prev_state',
  c: named.c.replaceAll('REC->prev_state', `REC->prev_state & ${REPORTED}`),
  of: ({ prev_state }) => named.of({ prev_state: (prev_state as number) & REPORTED }),
};

const preempted: Term = {
  field: null,
  c: `REC->prev_state & ${TASK_PREEMPTED} ? "+" : ""`,
  of: ({ prev_state }) => ((prev_state as number) & TASK_PREEMPTED ? '+' : ''),
};

export const SCHED_EVENTS = system('sched', {
  sched_switch: [
    {
      prev_comm: { commOf: 'prev_pid' },
      prev_pid: 'pid_t',
      prev_prio: 'int',
      prev_state: 'long',
      next_comm: { commOf: 'next_pid' },
      next_pid: 'pid_t',
      next_prio: 'int',
    },
    'prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d',
    'prev_comm',
    'prev_pid',
    'prev_prio',
    state,
    preempted,
    'next_comm',
    'next_pid',
    'next_prio',
  ],
  sched_wakeup: [
    { comm: { commOf: 'pid' }, pid: 'pid_t', prio: 'int', target_cpu: 'int' },
    'comm=%s pid=%d prio=%d target_cpu=%03d',
    'comm',
    'pid',
    'prio',
    'target_cpu',
  ],
});
