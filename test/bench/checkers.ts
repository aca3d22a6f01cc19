// Other model checkers on the protocol of scenarios/retryProtocol.ts, beside ours.
//
// They are libraries of other languages, so what is run is a program of the user's that has the protocol written for one
// or more of them. It is told how many schedules to run, and prints a line of JSON for each way in which it explored:
// {"name":"shuttle, random","schedules":8000,"steps":178,"seconds":0.2}, where the steps are those of a schedule and the
// seconds of CPU.

import { timed } from './engines.ts';

export interface CheckerRate {
  readonly name: string;
  /** Schedules a CPU-second. */
  readonly rate: number;
  /** Of all tasks, in a schedule. */
  readonly steps: number;
}

/** Throws when the program fails, or prints something else. */
export function measureChecker(program: string, schedules: number): CheckerRate[] {
  const { stdout } = timed(program, [String(schedules)]);
  return stdout.trim().split('\n').map(readRate);
}

function readRate(line: string): CheckerRate {
  const { name, schedules, steps, seconds } = JSON.parse(line);
  const isRate = [schedules, steps, seconds].every((each) => typeof each === 'number' && each > 0);
  if (typeof name !== 'string' || !isRate) throw new Error(`not what a checker prints: ${line}`);
  return { name, rate: schedules / seconds, steps };
}
