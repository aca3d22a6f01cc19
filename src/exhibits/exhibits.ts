// The list of exhibits, in the order of the museum's rooms.

import { cpuTlbs } from './cpuTlbs.ts';
import type { Exhibit } from './exhibit.ts';
import { faultVersusInvalidate } from './faultVersusInvalidate.ts';
import { lateNotification } from './lateNotification.ts';
import { oomReaper } from './oomReaper.ts';
import { release } from './release.ts';
import { reuse } from './reuse.ts';

export type { Exhibit } from './exhibit.ts';

export const EXHIBITS: readonly Exhibit[] = [
  ...faultVersusInvalidate,
  ...release,
  ...lateNotification,
  ...oomReaper,
  ...cpuTlbs,
  ...reuse,
];

/** Undefined: there is none. */
export const exhibitByName = (name: string): Exhibit | undefined =>
  EXHIBITS.find((exhibit) => exhibit.name === name);
