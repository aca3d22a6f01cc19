// A counterexample for people: the verdict, why, one command that replays it, the steps in a lane for each task, and a
// schedule next to it that passes.
//
// cli/ prints it, and a test that fails. The steps that matter to nobody but their own task are left out and
// counted.

import type { Lanes, Step } from './lanes.ts';
import type { Twin } from './minimise.ts';

export interface CounterexampleOptions {
  readonly replay: string;
  readonly twin: Twin | null;
  /** How it was found: "exhaustive up to 1 pre-emption", "POS, seed 12". */
  readonly how: string;
  readonly formatSchedule: (schedule: Twin['schedule']) => string;
  /** All steps, and not only those that several tasks have to do with. */
  readonly full: boolean;
}

const LANE = 46;

export function counterexample(lanes: Lanes, options: CounterexampleOptions): string {
  const { found, preemptions, steps } = lanes;
  const lines = [
    found === null
      ? `PASS  pre-emptions: ${preemptions}  steps: ${steps}`
      : `FAIL ${found.invariant}  pre-emptions: ${preemptions}  steps: ${lanes.trace.length}  found by: ${options.how}`,
    ...(found === null ? [] : [`why  ${found.message}`]),
    `run  ${options.replay}`,
    '',
    ...laneLines(lanes, options.full),
  ];
  if (options.twin !== null) {
    const { shift, schedule } = options.twin;
    lines.push(
      '',
      `twin  ${options.formatSchedule(schedule)} passes: its last switch comes ${plural(shift, 'step')} later`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function laneLines({ tasks, trace, found }: Lanes, full: boolean): string[] {
  const lines = [`   #  ${tasks.map((task) => task.padEnd(LANE)).join('')}`.trimEnd()];
  let last = '';
  let left = 0;
  const flush = (): void => {
    if (left > 0)
      lines.push(`      ${' '.repeat(tasks.indexOf(last) * LANE)}[${plural(left, 'step')} of its own]`);
    left = 0;
  };
  for (const [index, step] of trace.entries()) {
    if (step.task !== last) {
      flush();
      if (last !== '') lines.push(`      ---- ${last} -> ${step.task} ----`);
      last = step.task;
    }
    const isLast = index === trace.length - 1;
    if (!full && !isLast && !tells(step)) {
      left++;
      continue;
    }
    flush();
    lines.push(...stepLines(step, tasks, isLast && found !== null));
  }
  flush();
  return lines;
}

const tells = (step: Step): boolean => step.changes.length > 0 && (step.isShared || step.point === null);

function stepLines(step: Step, tasks: readonly string[], isBroken: boolean): string[] {
  const lane = ' '.repeat(tasks.indexOf(step.task) * LANE);
  const where = step.site.replace(/^.* /, '');
  const what = step.changes.length > 0 ? step.changes : [step.point ?? 'goes on'];
  return what.map((change, index) => {
    const number = index === 0 ? String(step.number).padStart(4) : '    ';
    const mark = isBroken && index === what.length - 1 ? ' !' : '  ';
    const place = index === 0 && where !== '' ? `  (${where})` : '';
    return `${number}${mark}${lane}${change}${place}`;
  });
}

const plural = (value: number, noun: string): string => `${value} ${noun}${value === 1 ? '' : 's'}`;
