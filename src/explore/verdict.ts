// What a run found, as a value: the invariant and one line about it.

import type { Violation } from '../oracle/index.ts';
import { UmbraBug } from '../units.ts';

export type Broken = Omit<Violation, 'step'>;

/** 'error': what was thrown is no assertion of Umbra's; one of the scenario's own, say. */
export type Found = Broken | { readonly invariant: 'error'; readonly message: string };

export const foundViolation = ({ invariant, message }: Violation): Found => ({ invariant, message });

const CONTEXT =
  /^(lock order violated|possible (circular|recursive) locking|sleeping function called|non_block_end|.* is not held|lock released by)/;
const PROGRESS = /^(dead|live)lock |waits? for/;

/** What ended a run by being thrown: of the code that is explored an assertion, of a scenario whatever its author likes. */
export function foundIn(error: unknown): Found {
  if (!(error instanceof UmbraBug)) return { invariant: 'error', message: thrownText(error) };
  const { message } = error;
  if (CONTEXT.test(message)) return { invariant: 'I8', message };
  if (PROGRESS.test(message)) return { invariant: 'I9', message };
  // An assertion of the code itself: something was not what it must be, most often something that is gone.
  return { invariant: 'I7', message };
}

/** In one line: what was thrown, and in which function, where it has a name. */
export function thrownText(error: unknown): string {
  const [message, first] = error instanceof Error ? (error.stack ?? '').split('\n    at ') : [String(error)];
  const [name, place] = first?.split(' (') ?? [];
  return message!.replaceAll('\n', ' ') + (place === undefined ? '' : `, in ${name}`);
}
