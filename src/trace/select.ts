// Which events a pattern names: SYSTEM, SYSTEM:EVENT or EVENT, with * and ? in either, as in trace-cmd and perf.

import { EVENT_NAMES, type EventName, shapeOf } from './events.ts';
import { globMatcher } from './glob.ts';
import { TraceError } from './traceError.ts';

/** The events that any pattern names, in the order of the tables. Throws TraceError for one that names none. */
export function selectEvents(patterns: readonly string[]): EventName[] {
  const chosen = new Set(patterns.flatMap(matching));
  return EVENT_NAMES.filter((name) => chosen.has(name));
}

function matching(pattern: string): EventName[] {
  const [system, event] = pattern.split(/[:/]/, 2) as [string, string | undefined];
  const first = globMatcher(system);
  const second = event === undefined ? null : globMatcher(event);
  const names = EVENT_NAMES.filter((name) => {
    if (second !== null) return first(shapeOf(name).system) && second(name);
    return first(shapeOf(name).system) || first(name);
  });
  if (names.length === 0) throw new TraceError(`no event is named ${pattern}${hint(pattern)}`);
  return names;
}

function hint(pattern: string): string {
  const [near] = nearest(pattern, [...new Set(EVENT_NAMES.map((name) => shapeOf(name).system)), ...titles()]);
  return near === undefined ? '' : `; is it ${near}?`;
}

const titles = (): string[] => EVENT_NAMES.flatMap((name) => [name, `${shapeOf(name).system}:${name}`]);

/** Nobody means a word that is longer. */
const LONGEST_WORD = 100;

/** The words that differ from `word` by at most a third of its letters, nearest first. */
export function nearest(word: string, words: readonly string[]): string[] {
  if (word.length > LONGEST_WORD) return [];
  return words
    .map((other) => ({ other, distance: editDistance(word, other) }))
    .filter(({ distance }) => distance <= Math.max(1, Math.floor(word.length / 3)))
    .toSorted((a, b) => a.distance - b.distance)
    .map(({ other }) => other);
}

/** Levenshtein's: letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
