// All mutants, in the order of the two journeys.

import { CLIENT } from './client.ts';
import { FAULTS } from './faults.ts';
import { FILES } from './files.ts';
import { MEMCG } from './memcg.ts';
import { MOVES } from './moves.ts';
import type { Mutant } from './mutant.ts';
import { NOTIFIERS } from './notifiers.ts';
import { PLANTED } from './planted.ts';
import { RANGES } from './ranges.ts';
import { RECLAIM } from './reclaim.ts';
import { SHADOW } from './shadow.ts';

export const MUTANTS: readonly Mutant[] = [
  ...SHADOW,
  ...CLIENT,
  ...NOTIFIERS,
  ...RECLAIM,
  ...FAULTS,
  ...RANGES,
  ...FILES,
  ...MOVES,
  ...MEMCG,
  ...PLANTED,
];
