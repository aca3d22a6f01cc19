// What happened in a run, step by step: who, where in the sources, on which object, and what it changed from what to
// what.
//
// Made by running a schedule once more and looking at the undo log after each step; JSON is the source, text and
// pages render it. Steps that concern nobody else are in it too, and marked: who prints may leave them out.

import { changesSince, reached, siteOf, undo } from '../journal/index.ts';
import type { Task } from '../sched/index.ts';
import { hex } from '../units.ts';
import { isAtPoint } from './dependency.ts';
import type { Explorer, RunResult } from './explorer.ts';
import type { HardwareAction } from './hardwareAction.ts';
import { NameBook } from './names.ts';
import type { Schedule } from './schedule.ts';
import type { Watcher } from './steering.ts';

export interface Step {
  readonly number: number;
  readonly task: string;
  /** The kind and object of the point, as "lock 32"; null: the task began, was woken or went on after giving the CPU away. */
  readonly point: string | null;
  /** Where the task stood: "kvm/pageFault.ts:141 installUnderLock", or "" at its start. */
  readonly site: string;
  /** "kvm.mmuInvalidateSeq 0 -> 1" */
  readonly changes: readonly string[];
  /** It touches what another task touches as well. */
  readonly isShared: boolean;
  /** Names of the locks that the task holds. */
  readonly held: readonly string[];
}

export interface Lanes extends RunResult {
  readonly tasks: readonly string[];
  readonly trace: readonly Step[];
}

/** Runs `schedule` and writes everything down. */
export function traceRun(explorer: Explorer, schedule: Schedule): Lanes {
  const recorder = new Recorder(explorer);
  const { steering } = explorer;
  steering.watcher = recorder;
  steering.stopsEverywhere = true;
  explorer.onStep = () => recorder.after();
  try {
    const { missed: _, ...result } = explorer.replay(schedule);
    return { ...result, tasks: recorder.tasks, trace: recorder.steps };
  } finally {
    explorer.onStep = null;
    steering.stopsEverywhere = false;
    steering.watcher = null;
  }
}

class Recorder implements Watcher {
  readonly steps: Step[] = [];
  readonly #explorer: Explorer;
  readonly #names: NameBook;
  readonly #sites = new Map<Task, number>();
  #current: Omit<Step, 'changes'> | null = null;
  #task: Task | null = null;
  #logged = 0;

  constructor(explorer: Explorer) {
    this.#explorer = explorer;
    this.#names = new NameBook(explorer.world);
  }

  get tasks(): readonly string[] {
    return [...new Set(this.steps.map(({ task }) => task))];
  }

  step(task: Task): void {
    this.#task = task;
    this.#logged = undo.length;
    const site = siteOf(this.#sites.get(task) ?? 0);
    this.#current = {
      number: this.steps.length + 1,
      task: task.name,
      point: isAtPoint(task)
        ? `${task.pointKind} ${this.#names.object(task.pointKind, task.pointObject)}`
        : null,
      site: site.file === '' ? '' : `${site.file}:${site.line} ${site.name}`,
      isShared: isAtPoint(task) && this.#explorer.steering.sharing.isShared(task.pointKind, task.pointObject),
      held: task.held.map(({ lockClass }) => lockClass.name),
    };
  }

  /** Hardware has acted; nothing else has happened since the last step was over. */
  acted({ actor, name, text }: HardwareAction): void {
    const step = { number: this.steps.length + 1, task: actor.name, point: name, site: '', held: [] };
    this.steps.push({ ...step, isShared: true, changes: [text, ...this.#changes()] });
    this.#logged = undo.length;
  }

  after(): void {
    if (this.#current === null || this.#task === null) return;
    this.#sites.set(this.#task, reached.site);
    this.steps.push({ ...this.#current, changes: this.#changes() });
    this.#logged = undo.length;
    this.#current = null;
  }

  /** What has changed since it was looked last. */
  #changes(): string[] {
    const changes = new Map<string, string>();
    const firsts = new Map<string, unknown>();
    for (const change of changesSince(this.#logged)) {
      const name = this.#names.place(change);
      if (name === null) continue;
      if (!firsts.has(name)) firsts.set(name, change.old);
      const isBits = FLAGS.test(name);
      const [before, now] = [firsts.get(name), change.now].map((value) => valueText(value, isBits));
      if (before === now) changes.delete(name);
      else changes.set(name, `${name} ${before} -> ${now}`);
    }
    return [...changes.values()];
  }
}

/** Words of bits, which decimal digits hide. */
const FLAGS = /\.flags\[|^\[0x/;

function valueText(value: unknown, isBits: boolean): string {
  if (typeof value === 'number') {
    const inHex = Number.isInteger(value) && (isBits || Math.abs(value) > 0xfff);
    return inHex ? hex(value >>> 0) : String(value);
  }
  if (typeof value === 'object' && value !== null) {
    const { name } = value as { readonly name?: unknown };
    return typeof name === 'string' ? name : value.constructor.name;
  }
  return String(value);
}
