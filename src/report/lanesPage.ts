// The page of a counterexample: the steps in a lane for each task, arrows from
// whoever touched an object last to whoever touches it next, and a scrubber with the state at each step.
//
// The steps are put in as JSON, which is what `umbra replay --json` prints.

import { asset, htmlPage } from './shell.ts';

/** A step of a run, as explore/ writes it down. */
export interface LaneStep {
  readonly number: number;
  readonly task: string;
  readonly point: string | null;
  readonly site: string;
  readonly changes: readonly string[];
  readonly isShared: boolean;
  readonly held: readonly string[];
}

export interface LanesFacts {
  readonly scenario: string;
  readonly found: { readonly invariant: string; readonly message: string } | null;
  readonly preemptions: number;
  readonly tasks: readonly string[];
  readonly trace: readonly LaneStep[];
  /** The command that replays it. */
  readonly replay: string;
}

export const lanesPageOf = (facts: LanesFacts): string =>
  htmlPage({
    title: `Umbra: ${facts.scenario}`,
    style: asset('lanes/page.css'),
    body: asset('lanes/body.html'),
    data: { schema: 'umbra.replay/1', ...facts },
    script: asset('lanes/page.js'),
  });
