// The page of a counterexample: one HTML file that needs nothing else. The steps in a lane for each task, arrows from
// whoever touched an object last to whoever touches it next, and a scrubber with the state at each step.
//
// Style and script are files of lanes/; the steps are put in as JSON, which is what `umbra replay --json` prints. The
// page asks the browser by its content security policy to load nothing.

import { readFileSync } from 'node:fs';
import { escapeHtml, jsonOf } from './escape.ts';

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

export function lanesPageOf(facts: LanesFacts): string {
  const parts: Readonly<Record<string, string>> = {
    title: `<title>${escapeHtml(`Umbra: ${facts.scenario}`)}</title>`,
    style: `<style>${asset('page.css')}</style>`,
    data: `<script type="application/json" id="data">${jsonOf({ schema: 'umbra.replay/1', ...facts })}</script>`,
    script: `<script>${asset('page.js')}</script>`,
  };
  return asset('page.html').replace(/<!-- (\w+) -->/g, (_, name: string) => parts[name]!);
}

// One level below src/, wherever this runs from.
const asset = (name: string): string =>
  readFileSync(new URL(`../../src/report/lanes/${name}`, import.meta.url), 'utf8');
