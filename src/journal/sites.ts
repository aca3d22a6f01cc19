// Where tasks stand: the `yield`s of the sources, and which of them was reached last.
//
// loader/sites.ts numbers them and writes the calls; explore/ reads where a task is.

import type { Anything } from './log.ts';

/** A `yield` in the sources. */
export interface Site {
  readonly file: string;
  readonly line: number;
  readonly name: string;
}

const sites: Site[] = [{ file: '', line: 0, name: '' }];

/** The site of the last `yield` that any task reached. */
export const reached = { site: 0 };

export const siteOf = (number: number): Site => sites[number]!;

/** The number of the first of a file's sites; lines and function names. */
export function addSites(file: string, list: readonly (readonly [number, string])[]): number {
  const first = sites.length;
  for (const [line, name] of list) sites.push({ file, line, name });
  return first;
}

/** Notes the site, and hands on what is yielded. */
export function at<T>(site: number, yielded: T): T {
  reached.site = site;
  return yielded;
}

interface Point {
  readonly kind: string;
  readonly object: number;
}

/** Whether a task must stop at the point that it has come to; all do until exploration says otherwise. */
export const filter: { stops: (point: Anything) => boolean } = { stops: () => true };

let announcedPoint: Point | null = null;

/** A task has come to `point` at `site`; true: it must yield announced(). */
export function stops(site: number, point: Point): boolean {
  reached.site = site;
  announcedPoint = point;
  return filter.stops(point);
}

export const announced = (): Point | null => announcedPoint;
