// Registration: rules 11, 12 and 13, and registration against a range in every schedule with a few pre-emptions.

import { describe, expect, it } from 'vitest';
import {
  MmuNotifier,
  type MmuNotifierOps,
  mmuNotifierRegister,
  mmuNotifierSubscriptionsDestroy,
  mmuNotifierUnregister,
} from '../../src/notifier/index.ts';
import type { Scheduler, Steps } from '../../src/sched/index.ts';
import { Errno } from '../../src/units.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { FakeMm, type FakeMmMutation, pageAt } from '../support/notifier/fakeMm.ts';
import { ProtocolClient } from '../support/notifier/protocolClient.ts';
import { SpteClient } from '../support/notifier/spteClient.ts';
import { ALL_KEPT } from '../support/notifier/verdict.ts';
import { bugOf, pointByPoint, runTasks } from '../support/tasks.ts';

function* join(client: ProtocolClient): Steps {
  expect(yield* client.register()).toBe(0);
}

type LockName = 'mmapLock' | 'rmapLock' | 'otherRmapLock';

/**
 * One client is there; a second registers while a range is open under one of the locks. The outcome also says whether the
 * newcomer saw the range.
 */
const registerDuringRange =
  (lock: LockName, mutation: FakeMmMutation = {}): Program =>
  (sched) => {
    const mm = new FakeMm(sched, 2, mutation);
    const [first, second] = [new ProtocolClient(mm, 1), new ProtocolClient(mm, 2)];
    let unseen = false;
    sched.spawn(
      'main',
      (function* () {
        yield* first.register();
        sched.spawn('unmap', unmap());
        sched.spawn('register', join(second));
      })(),
    );
    function* unmap() {
      yield* mm.unmap(pageAt(0), mm[lock]);
      // Rule 12: from the return of register on, every start reaches the newcomer.
      const registered = mm.watchers.includes(second);
      const { starts } = second;
      yield* mm.unmap(pageAt(1), mm[lock]);
      if (registered && second.starts === starts) unseen = true;
    }
    return () => {
      for (const client of [first, second]) client.finish();
      return unseen ? 'a start went unseen' : `${mm.verdict}, ${second.starts} starts seen`;
    };
  };

const RANGE_OPEN = 'bug: a notifier range is open during registration';
const outcomesOf = (program: Program, preemptions = 3): string[] =>
  Object.keys(enumerate(program, preemptions).outcomes).sort();

describe('registration against a range', () => {
  it.each(['mmapLock', 'rmapLock', 'otherRmapLock'] as const)(
    'falls before or after it, never inside, whichever lock keeps the range: %s',
    (lock) => {
      expect(outcomesOf(registerDuringRange(lock))).toEqual([
        `${ALL_KEPT}, 0 starts seen`,
        `${ALL_KEPT}, 1 starts seen`,
        `${ALL_KEPT}, 2 starts seen`,
      ]);
    },
  );

  it('falls inside one when it takes only some of the locks', () => {
    expect(outcomesOf(registerDuringRange('rmapLock', { takesNoRmapLocks: true }))).toContain(RANGE_OPEN);
    expect(outcomesOf(registerDuringRange('mmapLock', { registersWithoutMmapLock: true }))).toContain(
      RANGE_OPEN,
    );
  });

  it('never lets a newcomer use a freed page, in every schedule', () => {
    const program: Program = (sched) => {
      const mm = new FakeMm(sched);
      const client = new SpteClient(mm);
      sched.spawn('unmap', mm.unmap(pageAt(0), mm.rmapLock));
      sched.spawn(
        'vmm',
        (function* () {
          yield* client.register();
          yield* client.fault(pageAt(0));
          yield* client.use(pageAt(0));
        })(),
      );
      return () => mm.verdict;
    };
    expect(outcomesOf(program, 4)).toEqual([ALL_KEPT]);
  });

  it('lets two clients register at the same time', () => {
    const program: Program = (sched) => {
      const mm = new FakeMm(sched);
      const clients = [new ProtocolClient(mm, 1), new ProtocolClient(mm, 2)];
      for (const client of clients) sched.spawn(`register ${client.subscription.id}`, join(client));
      return () => `${mm.notifierSubscriptions!.list.length} registered, mm_count ${mm.mmCount}`;
    };
    expect(outcomesOf(program, 4)).toEqual(['2 registered, mm_count 3']);
  });
});

describe('registering', () => {
  const registering = (
    ops: MmuNotifierOps,
    prepare: (mm: FakeMm) => void = () => {},
  ): { mm: FakeMm; error: number } => {
    let result: { mm: FakeMm; error: number } | undefined;
    runTasks({
      *a(sched: Scheduler) {
        const mm = new FakeMm(sched);
        prepare(mm);
        result = { mm, error: yield* mmuNotifierRegister(new MmuNotifier(1, ops), mm) };
      },
    });
    return result!;
  };

  it('takes a reference in mm_count and none in mm_users', () => {
    const { mm, error } = registering({});
    expect([error, mm.mmCount, mm.mmUsers]).toEqual([0, 2, 1]);
  });

  it('is a bug when the address space is gone', () => {
    const error = bugOf(() =>
      registering({}, (mm) => {
        mm.mmUsers = 0;
      }),
    );
    expect(error.message).toBe('mmu_notifier_register: mm_users is 0');
  });

  it('is a bug when the subscription is registered already', () => {
    const error = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          const subscription = new MmuNotifier(1, {});
          yield* mmuNotifierRegister(subscription, mm);
          yield* mmuNotifierRegister(subscription, mm);
        },
      }),
    );
    expect(error.message).toBe('mmu_notifier_register: registered already');
  });

  it('is possible again after unregistering', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const subscription = new MmuNotifier(1, {});
        for (let i = 0; i < 2; i++) {
          expect(yield* mmuNotifierRegister(subscription, mm)).toBe(0);
          expect(subscription.mm).toBe(mm);
          yield* mmuNotifierUnregister(subscription, mm);
          expect([subscription.mm, mm.mmCount]).toEqual([null, 1]);
        }
      },
    });
  });

  it('answers -EINVAL to a client that wants both the TLB callback and ranges', () => {
    const tlb: MmuNotifierOps = { *archInvalidateSecondaryTlbs() {} };
    const start: MmuNotifierOps = {
      *invalidateRangeStart() {
        return 0;
      },
    };
    const end: MmuNotifierOps = { *invalidateRangeEnd() {} };
    for (const both of [
      { ...tlb, ...start },
      { ...tlb, ...end },
    ])
      expect(registering(both).error).toBe(-Errno.EINVAL);
    for (const one of [tlb, { ...start, ...end }]) expect(registering(one).error).toBe(0);
  });

  it('answers -EINTR to a killed task, with nothing registered and no lock held', () => {
    const { mm, error } = registering({}, (own) => {
      own.interrupted = true;
    });
    expect([error, mm.notifierSubscriptions, mm.mmCount]).toEqual([-Errno.EINTR, null, 1]);
    expect([mm.mmapLock.isWriteLocked, mm.rmapLock.isWriteLocked]).toEqual([false, false]);
  });

  it('needs subscriptions->lock and a point for each change of the list (rule 11)', () => {
    const edits = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          yield* mmuNotifierRegister(new MmuNotifier(1, {}), mm);
          mm.notifierSubscriptions!.replaceListLocked([]);
        },
      }),
    );
    expect(edits.message).toBe('subscriptions->lock is not held');
    const looks = bugOf(() =>
      runTasks(
        {
          *a(sched) {
            const mm = new FakeMm(sched);
            yield* mmuNotifierRegister(new MmuNotifier(1, {}), mm);
            return void mm.notifierSubscriptions!.list;
          },
        },
        pointByPoint(),
      ),
    );
    expect(looks.message).toBe('access to shared state without its point');
  });
});

describe('the subscriptions of an mm', () => {
  it('live until the last reference to the mm is dropped (rule 13)', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const client = new ProtocolClient(mm);
        yield* client.register();
        yield* mm.exit();
        expect([mm.mmCount, mm.notifierSubscriptions?.list.length]).toEqual([1, 0]);
        yield* client.unregister();
        expect([mm.mmCount, mm.notifierSubscriptions]).toEqual([0, null]);
        mmuNotifierSubscriptionsDestroy(mm);
      },
    });
  });

  it('must not go while a notifier is registered or a range is open', () => {
    const registered = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          yield* new ProtocolClient(mm).register();
          mmuNotifierSubscriptionsDestroy(mm);
        },
      }),
    );
    expect(registered.message).toBe('mm dropped while notifiers are in use');
    const open = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          const client = new ProtocolClient(mm);
          yield* client.register();
          yield* client.unregister();
          yield* mm.unmap(pageAt(0), mm.mmapLock, ['lock', 'start', 'unlock']);
          mmuNotifierSubscriptionsDestroy(mm);
        },
      }),
    );
    expect(open.message).toBe('mm dropped while notifiers are in use');
  });
});
