// A mutant of SRCU: its grace period waits for nobody.

import { Srcu, type Steps } from '../../src/sched/index.ts';
import { step } from './tasks.ts';

export class HastySrcu extends Srcu {
  override *synchronize(): Steps {
    yield* step();
  }
}
