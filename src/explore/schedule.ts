// Schedules: one interleaving, written as its deviations from the schedule that never pre-empts.
//
// Left alone, a task runs until it blocks, yields or ends, and then the one that has waited longest runs. A deviation
// says that after so many steps of one task another goes on instead. Text that a person can read and edit:
//
//     vcpu0:14>reclaim,reclaim:9>vcpu0        -  (no deviation)
//     reclaim:31+vcpu0/fill/80002              hardware acts before the 32nd step of reclaim
//
// Counts are of a task's own steps, so that taking one deviation away leaves the others meaningful.

import { InputError } from '../vmm/index.ts';

export interface Deviation {
  /** The task that ran last ('' at the start), or with hardware the one that goes on, and how many steps it had taken. */
  readonly after: string;
  readonly steps: number;
  /** The task that runs instead, or with hardware the action that comes before. */
  readonly to: string;
  readonly hardware: boolean;
}

export type Schedule = readonly Deviation[];

export const NO_DEVIATION = '-';

export function formatSchedule(schedule: Schedule): string {
  if (schedule.length === 0) return NO_DEVIATION;
  return schedule
    .map(({ after, steps, to, hardware }) => `${after}:${steps}${hardware ? '+' : '>'}${to}`)
    .join(',');
}

/** Throws InputError for what formatSchedule() would not write. */
export function parseSchedule(text: string): Schedule {
  if (text.trim() === NO_DEVIATION) return [];
  return text.split(',').map((part) => {
    const match = /^\s*([\w/-]*):(\d+)([>+])([\w/-]+)\s*$/.exec(part);
    if (match === null)
      throw new InputError(
        `bad schedule: ${JSON.stringify(part)} is neither TASK:STEPS>TASK nor TASK:STEPS+ACTION`,
      );
    return { after: match[1]!, steps: Number(match[2]), to: match[4]!, hardware: match[3] === '+' };
  });
}
