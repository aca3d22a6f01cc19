// A worker process of `umbra explore --jobs`: runs the parts of a search that it is told, one after the other.
//
// worker.js starts it; parallelSearch.ts says what to run. Between slices it listens, as the verbs do. Invariant: it
// answers each task with one end.

import { loadScenario } from '../exploration.ts';
import type { Part, PartRequest, PartResult } from '../explore/index.ts';
import type { SourceEdit } from '../loader/index.ts';
import { inWorker, sliceTimer, turnEventLoop } from '../platform/index.ts';

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
  | { readonly type: 'end'; readonly result: PartResult };

/** Listens until the process is ended. */
export async function work(): Promise<void> {
  const { data, send, receive } = await inWorker<Order, Answer>();
  const { scenario, edits, weak } = data as Workplace;
  const variant = await loadScenario(scenario, edits);
  const explorer = new variant.Explorer(variant.scenario);
  explorer.weak = weak;
  let running: Part | null = null;

  async function run(part: Part): Promise<void> {
    running = part;
    // Orders that came with this one are heard before the first step.
    await turnEventLoop();
    while (part.result === null) {
      part.step(sliceTimer());
      send({ type: 'progress', schedules: part.schedules, states: part.states });
      await turnEventLoop();
    }
    running = null;
    send({ type: 'end', result: part.result });
  }

  receive((order) => {
    if (order.type === 'stop') running?.stop();
    else if (order.type === 'behind') running?.stopBehind(order.path);
    else void run(variant.partOf(explorer, order.request));
  });
}
