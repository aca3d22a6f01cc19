// mmu_notifier_get and put: one subscription for all who want the same, and when it is freed (reference rule 39).

import { describe, expect, it } from 'vitest';
import {
  MmuNotifier,
  type MmuNotifierOps,
  mmuNotifierGet,
  mmuNotifierPut,
  mmuNotifierSynchronize,
} from '../../src/notifier/index.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { bug, Errno } from '../../src/units.ts';
import { FakeMm, pageAt } from '../support/notifier/fakeMm.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

interface Shared {
  readonly ops: MmuNotifierOps;
  readonly log: string[];
}

function shared(extra: MmuNotifierOps = {}): Shared {
  const log: string[] = [];
  let id = 0;
  const ops: MmuNotifierOps = {
    *allocNotifier() {
      log.push('alloc');
      return new MmuNotifier(++id, ops);
    },
    *freeNotifier() {
      log.push('free');
    },
    *release() {
      log.push('release');
    },
    ...extra,
  };
  return { ops, log };
}

function* got(ops: MmuNotifierOps, mm: FakeMm): Steps<MmuNotifier> {
  const subscription = yield* mmuNotifierGet(ops, mm);
  return typeof subscription === 'number' ? bug('get failed', { errno: subscription }) : subscription;
}

describe('get', () => {
  it('finds the subscription of the same ops again, and makes another for other ops', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const [one, two] = [shared(), shared()];
        const first = yield* got(one.ops, mm);
        expect(yield* got(one.ops, mm)).toBe(first);
        expect(yield* got(two.ops, mm)).not.toBe(first);
        expect([first.users, one.log, two.log, mm.mmCount]).toEqual([2, ['alloc'], ['alloc'], 3]);
      },
    });
  });

  it('hands on what alloc answers, and frees what could not be registered', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const failing = shared({
          *allocNotifier() {
            return -Errno.ENOMEM;
          },
        });
        expect(yield* mmuNotifierGet(failing.ops, mm)).toBe(-Errno.ENOMEM);
        mm.interrupted = true;
        const { ops, log } = shared();
        expect(yield* mmuNotifierGet(ops, mm)).toBe(-Errno.EINTR);
        expect([log, mm.mmCount]).toEqual([['alloc', 'free'], 1]);
      },
    });
  });
});

describe('put', () => {
  it('of the last unlinks at once, calls no release, and frees after a grace period', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const { ops, log } = shared();
        const subscription = yield* got(ops, mm);
        yield* got(ops, mm);
        yield* mmuNotifierPut(subscription);
        yield* mmuNotifierSynchronize(mm.notifierEnvironment);
        expect(log).toEqual(['alloc']);
        yield* mmuNotifierPut(subscription);
        expect([log, mm.mmCount]).toEqual([['alloc'], 2]);
        yield* mmuNotifierSynchronize(mm.notifierEnvironment);
        expect([log, mm.mmCount, subscription.mm]).toEqual([['alloc', 'free'], 1, null]);
        yield* got(ops, mm);
        expect(log).toEqual(['alloc', 'free', 'alloc']);
      },
    });
  });

  it('does not free while a callback runs', () => {
    const order: string[] = [];
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const { ops } = shared({
          *invalidateRangeStart() {
            order.push('start');
            yield RESCHED;
            yield RESCHED;
            order.push('started');
            return 0;
          },
          *freeNotifier() {
            order.push('free');
          },
        });
        const subscription = yield* got(ops, mm);
        sched.spawn('unmapper', mm.unmap(pageAt(0)));
        yield RESCHED;
        yield* mmuNotifierPut(subscription);
        yield* mmuNotifierSynchronize(mm.notifierEnvironment);
        order.push('synchronized');
      },
    });
    expect(order).toEqual(['start', 'started', 'free', 'synchronized']);
  });

  it('may come from the release of exit; the mm goes with the last reference', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const { ops, log } = shared({
          *release(subscription) {
            yield* mmuNotifierPut(subscription);
          },
        });
        yield* got(ops, mm);
        yield* mm.exit();
        yield* mmuNotifierSynchronize(mm.notifierEnvironment);
        expect([log, mm.mmCount, mm.notifierSubscriptions]).toEqual([['alloc', 'free'], 0, null]);
      },
    });
  });

  it('once more than there were gets is a bug, and so is a free that sleeps', () => {
    const twice = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          const subscription = yield* got(shared().ops, mm);
          yield* mmuNotifierPut(subscription);
          yield* mmuNotifierPut(subscription);
        },
      }),
    );
    expect(twice.message).toBe('mmu_notifier_put without a get');
    const sleeps = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          const { ops } = shared({
            freeNotifier: () => mm.mmapLock.lockRead(),
          });
          yield* mmuNotifierPut(yield* got(ops, mm));
        },
      }),
    );
    expect(sleeps.details).toMatchObject({ atomic: 1 });
  });
});
