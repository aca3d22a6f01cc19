// A worker process of `umbra explore --jobs`: runs the parts of a search that it is told, one after the other.
//
// worker.js starts it; parallelSearch.ts says what to run. Between slices it listens, as the verbs do; a slice that does not
// end is broken off by SIGINT. Invariant: it answers each task with one end, unless it throws.

import { loadScenario } from '../exploration.ts';
import type { Part, PartRequest, PartResult } from '../explore/index.ts';
import type { SourceEdit } from '../loader/index.ts';
import { breakable, inWorker, sliceTimer, turnEventLoop } from '../platform/index.ts';
import { standing } from './breakingOff.ts';

/** What all workers of a search are given. */
export interface Workplace {
  readonly scenario: string;
  readonly edits: readonly SourceEdit[];
  readonly weak: boolean;
}

/** Behind: what comes after the path is of no interest any more. */
export type Order =
  | { readonly type: 'part'; readonly request: PartRequest }
  | { readonly type: 'behind'; readonly path: readonly number[] }
  | { readonly type: 'stop' };

export type Answer =
  | { readonly type: 'progress'; readonly schedules: number; readonly states: number }
  /** `stood`: it was broken off by SIGINT, where; else ''. */
  | { readonly type: 'end'; readonly result: PartResult; readonly stood: string }
  | { readonly type: 'thrown'; readonly error: Pick<Error, 'name' | 'message' | 'stack'> };

/** Listens until the process is ended. */
export async function work(): Promise<void> {
  const { data, send, receive } = await inWorker<Order, Answer>();
  const { scenario, edits, weak } = data as Workplace;
  const variant = await loadScenario(scenario, edits);
  const explorer = new variant.Explorer(variant.scenario);
  explorer.weak = weak;
  let running: Part | null = null;

  // Between slices it comes too late to matter.
  process.on('SIGINT', () => {});

  async function run(part: Part): Promise<void> {
    running = part;
    let stood = '';
    // From now on it can be broken off.
    send({ type: 'progress', schedules: 0, states: 0 });
    while (part.result === null) {
      // Orders that came with this one are heard before the first step.
      await turnEventLoop();
      if (breakable(() => part.step(sliceTimer()), Number.POSITIVE_INFINITY) !== null) {
        stood = standing(variant, explorer, scenario);
        part.stop();
      }
      send({ type: 'progress', schedules: part.schedules, states: part.states });
    }
    running = null;
    send({ type: 'end', result: part.result, stood });
  }

  const thrown = (error: unknown): void => {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    send({ type: 'thrown', error: { name, message, ...(stack !== undefined && { stack }) } });
  };

  receive((order) => {
    if (order.type === 'stop') running?.stop();
    else if (order.type === 'behind') running?.stopBehind(order.path);
    else run(variant.partOf(explorer, order.request)).catch(thrown);
  });
}
