// Numbers for what points name, so that maps of the explorer have one key for each object of any kind.

import { POINT_KINDS, type PointKind } from '../sched/index.ts';

const KIND_NUMBER = Object.fromEntries(POINT_KINDS.map((kind, number) => [kind, number])) as Record<
  PointKind,
  number
>;

/** One number for each object that points name. */
export const keyOf = (kind: PointKind, object: number): number => object * 16 + KIND_NUMBER[kind];
