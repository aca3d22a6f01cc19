// What the pages have in common: one HTML file each that needs nothing else, and that asks the browser by its content
// security policy (shell.html) to load nothing.
//
// lanesPage.ts and page.ts give the parts; style, script and body are files of a folder of theirs.

import { readFileSync } from 'node:fs';
import { escapeHtml, jsonOf } from './escape.ts';

export interface PageParts {
  readonly title: string;
  /** CSS. */
  readonly style: string;
  /** HTML. */
  readonly body: string;
  /** What the script finds as JSON in #data. */
  readonly data: unknown;
  /** JavaScript. */
  readonly script: string;
}

export function htmlPage({ title, style, body, data, script }: PageParts): string {
  const parts: Readonly<Record<string, string>> = {
    title: `<title>${escapeHtml(title)}</title>`,
    style: `<style>${style}</style>`,
    body: body.trimEnd(),
    data: `<script type="application/json" id="data">${jsonOf(data)}</script>`,
    script: `<script>${script}</script>`,
  };
  return asset('shell.html').replace(/<!-- (\w+) -->/g, (_, name: string) => parts[name]!);
}

/** The text of a file of src/report/, which lies there wherever this runs from. */
export const asset = (name: string): string =>
  readFileSync(new URL(`../../src/report/${name}`, import.meta.url), 'utf8');
