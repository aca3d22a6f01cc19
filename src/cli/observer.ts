// What one verb wants of the run of another: `umbra trace -- run ...`, `umbra stat -- run ...` and their like.
//
// The words behind -- are a command line of their own. run.ts and session.ts call the observer; it must change nothing.

import type { Command } from 'commander';
import type { Machine } from '../machine.ts';
import { nearest, TraceError } from '../trace/index.ts';
import { InputError } from '../vmm/index.ts';
import type { TraceRequest } from './tracing.ts';

export interface RunObserver {
  readonly trace?: TraceRequest;
  /** Standard output is the observer's; what the guest prints goes to standard error. */
  readonly takesOutput?: boolean;
  /** The machine stands, and nothing has run. */
  begin?(machine: Machine): void;
  /** Between slices. */
  between?(machine: Machine): void;
  /** The run is over; the machine still stands. */
  end?(machine: Machine): void;
}

interface ObservedVerb {
  command(exit: (code: number) => void, observer: RunObserver): Command;
}

/** Verbs that run something. */
const VERBS = {
  run: (): Promise<ObservedVerb> => import('./run.ts'),
  mm: (): Promise<ObservedVerb> => import('./mm.ts'),
  replay: (): Promise<ObservedVerb> => import('./replay.ts'),
} as const;

export type ObservableVerb = keyof typeof VERBS;

/** Runs `words`, the first of which must be one of `verbs`. Throws TraceError. */
export async function runObserved(
  words: readonly string[],
  verbs: readonly ObservableVerb[],
  observer: RunObserver,
  exit: (code: number) => void,
): Promise<void> {
  const [first, ...args] = words;
  const verb = verbs.find((known) => known === first);
  if (first === undefined)
    throw new TraceError(`what shall be run? For example: -- ${verbs[0]} guests/hello.s`);
  if (verb === undefined) throw new TraceError(`${first} cannot be observed${hint(first, verbs)}`);
  const command = (await VERBS[verb]()).command(exit, observer);
  await command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .parseAsync(args, { from: 'user' });
}

/** For begin(): the machine has a vCPU of that number. Throws InputError. */
export const checkVcpu =
  (index: number) =>
  ({ config: { vcpus } }: Machine): void => {
    if (index >= vcpus) throw new InputError(`there is no vCPU ${index}`);
  };

function hint(word: string, verbs: readonly string[]): string {
  const [near] = nearest(word, verbs);
  return near === undefined ? `; what can is: ${verbs.join(', ')}` : `; is it ${near}?`;
}
