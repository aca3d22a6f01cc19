// A client that keeps no translations and watches the protocol: rules 1 to 5 and 16, as seen from a subscriber.

import {
  MmuNotifier,
  type MmuNotifierOps,
  type MmuNotifierRange,
  mmuNotifierRegister,
  mmuNotifierUnregister,
} from '../../../src/notifier/index.ts';
import { LOCKS, type Steps } from '../../../src/sched/index.ts';
import { step } from '../tasks.ts';
import { type FakeMm, frameAt, type PteWatcher } from './fakeMm.ts';

const RANGE_LOCKS: readonly string[] = [LOCKS.mmap_lock.name, LOCKS.anon_vma_rwsem.name];

export class ProtocolClient implements PteWatcher {
  readonly subscription: MmuNotifier;
  /** Ranges between start and end, in the order of their starts. */
  readonly open: MmuNotifierRange[] = [];
  starts = 0;
  ends = 0;
  releases = 0;
  readonly #mm: FakeMm;
  readonly #ended = new Set<MmuNotifierRange>();
  #running = 0;
  #unregistered = false;

  constructor(mm: FakeMm, id = 1) {
    this.#mm = mm;
    this.subscription = new MmuNotifier(id, this.ops());
  }

  *register(): Steps<number> {
    const error = yield* mmuNotifierRegister(this.subscription, this.#mm);
    if (error === 0) this.#mm.watchers.push(this);
    return error;
  }

  *unregister(): Steps {
    yield* mmuNotifierUnregister(this.subscription, this.#mm);
    this.#unregistered = true;
    this.#check('16', this.#running === 0);
    this.#mm.watchers.splice(this.#mm.watchers.indexOf(this), 1);
  }

  /** At the end of a test: every start has had its end, unless the client left in between. */
  finish(): void {
    if (!this.#unregistered) this.#check('1', this.open.length === 0);
  }

  pteChanges(range: MmuNotifierRange): void {
    // A client that has been released has nothing left to be told of.
    if (this.releases > 0) return;
    if (!this.open.includes(range)) this.#check(this.#ended.has(range) ? '4' : '3', false);
  }

  protected ops(): MmuNotifierOps {
    return {
      release: () => this.#callback(this.#release()),
      invalidateRangeStart: (_, range) => this.#callback(this.#start(range)),
      invalidateRangeEnd: (_, range) => this.#callback(this.#end(range)),
    };
  }

  *#start(range: MmuNotifierRange): Steps<number> {
    this.starts++;
    this.#checkContext();
    this.#check('2', !this.#mm.freed.has(frameAt(range.start)));
    yield* step();
    this.open.push(range);
    return 0;
  }

  *#end(range: MmuNotifierRange): Steps {
    this.ends++;
    this.#checkContext();
    const index = this.open.indexOf(range);
    this.#check('1', index >= 0);
    if (index >= 0) this.open.splice(index, 1);
    this.#ended.add(range);
    yield* step();
  }

  *#release(): Steps {
    this.releases++;
    yield* step();
  }

  *#callback<T>(body: Steps<T>): Steps<T> {
    this.#check('16', !this.#unregistered);
    this.#running++;
    const result = yield* body;
    this.#running--;
    this.#check('16', !this.#unregistered);
    return result;
  }

  /** Rule 5. */
  #checkContext(): void {
    const task = this.#mm.sched.current;
    const names = task.held.map(({ lockClass }) => lockClass.name);
    this.#check(
      '5',
      names.some((name) => RANGE_LOCKS.includes(name)),
    );
    this.#check('5', task.atomicDepth === 0);
  }

  #check(rule: string, holds: boolean): void {
    this.#mm.verdict.check(rule, holds);
  }
}
