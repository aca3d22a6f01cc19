// The thread that plays a soak for run.ts: its cases can hang it, or take all its memory, and run.ts can still tell.
//
// Before each case it writes to shared memory which it is; messages carry failures.

import { parentPort, workerData } from 'node:worker_threads';
import { UmbraBug } from '../../src/units.ts';
import { SOAKS } from './names.ts';
import { playAll, type Soak, Unavailable } from './soak.ts';

export interface SoakOrder {
  readonly name: string;
  readonly count: number;
  readonly seed: number;
  /** Words of shared memory: cases begun; seed and size of the last one. */
  readonly progress: Int32Array;
}

export interface CaseFailure {
  readonly seed: number;
  readonly size: number;
  readonly what: string;
}

export type SoakMessage =
  | ({ readonly kind: 'failure' } & CaseFailure)
  | { readonly kind: 'unavailable'; readonly why: string }
  | { readonly kind: 'done'; readonly failures: number; readonly coverage: string | null };

const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const details = error instanceof UmbraBug ? `\n${JSON.stringify(error.details)}` : '';
  return `${error.stack}${details}`;
};

const { name, count, seed, progress } = workerData as SoakOrder;
const send = (message: SoakMessage): void => parentPort!.postMessage(message);

function play(soak: Soak): void {
  const failures = playAll(soak, {
    count,
    seed,
    onCase: (caseSeed, size) => {
      progress[1] = caseSeed;
      progress[2] = size;
      Atomics.add(progress, 0, 1);
    },
    onFailure: ({ seed: caseSeed, size, error }) => {
      send({ kind: 'failure', seed: caseSeed, size, what: describe(error) });
    },
  });
  send({ kind: 'done', failures, coverage: soak.coverage?.() ?? null });
}

try {
  play(await SOAKS[name]!());
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  send({ kind: 'unavailable', why: error.message });
}
