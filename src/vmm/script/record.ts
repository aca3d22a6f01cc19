// What a step answers, and its line of JSON: the form in which a real kernel's answers were recorded.
//
// runner.ts fills an Answer; a key that does not apply is absent, the others come in the order below.

import { Errno } from '../../units.ts';
import type { Step } from './operation.ts';

/** [first page, pages, "rwx", "p" or "s", object, offset in pages, flags]. */
export type VmaRow = readonly [number, number, string, 'p' | 's', string, number, string];

/** What a process looks like. */
export interface ProcessState {
  readonly vmas: readonly VmaRow[];
  /** One character a page. */
  readonly pages: string;
}

export interface Answer {
  val?: number;
  core?: string;
  data?: string;
  ret?: number;
  err?: string;
  done?: number;
  flt?: number;
  sig?: string;
  code?: string;
  status?: number;
  /** Of a child: its state right after fork. */
  child?: { readonly proc: string; readonly state: ProcessState };
}

/** ret and err of a system call that answered `value`: negative is an errno. */
export const answerOf = (value: number): Answer =>
  value < 0 ? { ret: -1, err: errnoName(-value) } : { ret: value, err: 'OK' };

const errnoName = (errno: number): string =>
  Object.entries(Errno).find(([, value]) => value === errno)?.[0] ?? `E${errno}`;

const KEYS = ['val', 'core', 'data', 'ret', 'err', 'done', 'flt', 'sig', 'code', 'status'] as const;

/** One line, without a newline. */
export function formatRecord(index: number, step: Step, answer: Answer, state: ProcessState): string {
  const record: Record<string, unknown> = { i: index, proc: step.proc, op: step.text };
  for (const key of KEYS) if (answer[key] !== undefined) record[key] = answer[key];
  const { child } = answer;
  if (child !== undefined) record.child = { i: index, proc: child.proc, op: 'state', ...child.state };
  return JSON.stringify({ ...record, ...state });
}
