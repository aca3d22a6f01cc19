// A worker process of `umbra explore --jobs`: runs the parts of a search that it is told, one after the other.
//
// worker.js starts it; parallelSearch.ts says what to run. Between slices it listens, as the verbs do. Invariant: it answers
// each task with one end.

import { loadScenario, type Variant } from '../exploration.ts';
import type { Explorer, PartEnd, PartRequest, PartResult, SearchOptions } from '../explore/index.ts';
import type { SourceEdit } from '../loader/index.ts';
import { inWorker, sliceTimer, turnEventLoop } from '../platform/index.ts';

/** What all workers of a search are given. */
export interface Workplace {
  readonly scenario: string;
  readonly edits: readonly SourceEdit[];
  readonly weak: boolean;
}

/** A part of the tree of a level, or some of the seeds. */
export type Work =
  | { readonly type: 'part'; readonly request: PartRequest }
  | { readonly type: 'seeds'; readonly options: SearchOptions };

/** Behind: what comes after the path is of no interest any more. */
export type Order =
  | Work
  | { readonly type: 'behind'; readonly path: readonly number[] }
  | { readonly type: 'stop' };

export type Answer =
  | { readonly type: 'progress'; readonly schedules: number; readonly states: number }
  | { readonly type: 'end'; readonly result: PartResult };

/** Something that is run a slice at a time. */
interface Running {
  readonly schedules: number;
  readonly states: number;
  readonly result: PartResult | null;
  step(pause: () => boolean): void;
  stop(): void;
  stopBehind(path: readonly number[]): void;
}

/** Listens until the process is ended. */
export async function work(): Promise<void> {
  const { data, send, receive } = await inWorker<Order, Answer>();
  const { scenario, edits, weak } = data as Workplace;
  const variant = await loadScenario(scenario, edits);
  const explorer = new variant.Explorer(variant.scenario);
  explorer.weak = weak;
  let running: Running | null = null;

  async function run(part: Running): Promise<void> {
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
    else void run(begin(variant, explorer, order));
  });
}

const begin = (variant: Variant, explorer: Explorer, next: Work): Running =>
  next.type === 'part'
    ? new variant.Part(explorer, next.request)
    : drawing(new variant.Search(explorer, next.options));

/** A search that draws, which knows nothing of what was learned with other seeds. */
function drawing(search: InstanceType<Variant['Search']>): Running {
  search.explorer.steering.sharing.forget();
  let isStopped = false;
  return {
    get schedules() {
      return search.state.schedules;
    },
    get states() {
      return search.state.states;
    },
    get result() {
      const { schedules, states, failure, isOver } = search.state;
      if (!isOver && !isStopped) return null;
      const end: PartEnd = failure !== null ? 'failed' : isOver ? 'done' : 'limit';
      return { end, schedules, states, path: [], known: [], failure };
    },
    step: (pause) => search.step(pause),
    stop: () => {
      isStopped = true;
    },
    stopBehind: () => {},
  };
}
