// Which functions of src/ a scenario comes through, so that a mutant meets those scenarios first that can notice it.
//
// V8 counts the calls in the bundle of a variant; a line of it names the file that the code behind it is from.

import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SOURCES, type SourceEdit } from '../../src/loader/index.ts';

/** The begin of a file in a bundle. */
interface Origin {
  readonly offset: number;
  readonly file: string;
}

/** Counts from start() on; each takeReached() begins anew. */
export class Calls {
  readonly #session = new Session();
  readonly #origins = new Map<string, readonly Origin[]>();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  }

  /** `file#function` of all that was called. */
  async takeReached(): Promise<string[]> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const reached = new Set<string>();
    for (const { url, functions } of result) {
      if (!url.endsWith('.cjs')) continue;
      const origins = this.#originsOf(fileURLToPath(url));
      for (const { functionName, ranges } of functions) {
        const { count, startOffset } = ranges[0]!;
        const origin = origins.findLast(({ offset }) => offset <= startOffset);
        if (count > 0 && origin !== undefined) reached.add(`${origin.file}#${plain(functionName)}`);
      }
    }
    return [...reached];
  }

  #originsOf(path: string): readonly Origin[] {
    let origins = this.#origins.get(path);
    if (origins === undefined) {
      const text = readFileSync(path, 'utf8');
      origins = [...text.matchAll(/^\/\/ src\/(.*)$/gm)].map(({ index, 1: file }) => ({
        offset: index,
        file: file!,
      }));
      this.#origins.set(path, origins);
    }
    return origins;
  }
}

/** Without its class, that it is private, and the number that tells it from others of its name in the bundle. */
const plain = (name: string): string => name.replace(/^.*\.|^\$\w+?_|^#/, '').replace(/\d+$/, '');

const HEADS = [
  /^(?:export )?function\*? (\w+)/,
  /^(?:export )?const (\w+) = /,
  /^ {2,4}(?:static |get |set )?\*?#?(\w+)\(.*\{$/,
];
const isWord = (name: string): boolean => /^(?:if|for|while|switch)$/.test(name);

/** `file#function` that an edit changes. */
export function functionOf({ file, find, replace }: SourceEdit): string {
  const text = readFileSync(join(SOURCES, file), 'utf8');
  let same = 0;
  while (same < find.length && find[same] === replace[same]) same++;
  const lines = text.slice(0, text.indexOf(find) + same).split('\n');
  for (const line of lines.reverse()) {
    for (const head of HEADS) {
      const name = head.exec(line)?.[1];
      if (name !== undefined && !isWord(name)) return `${file}#${name}`;
    }
  }
  return `${file}#`;
}
