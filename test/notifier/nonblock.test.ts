// invalidate_range_start_nonblock, as the OOM reaper calls it: rules 1, 6 and 32.

import { describe, expect, it } from 'vitest';
import {
  MmuNotifier,
  type MmuNotifierOps,
  type MmuNotifierRange,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRegister,
} from '../../src/notifier/index.ts';
import { WaitQueue } from '../../src/sched/index.ts';
import { Errno } from '../../src/units.ts';
import { FakeMm, pageAt } from '../support/notifier/fakeMm.ts';
import { ProtocolClient } from '../support/notifier/protocolClient.ts';
import { ALL_KEPT } from '../support/notifier/verdict.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

/** A client that would have to wait for a remote answer in start, and says so when it must not. */
class RemoteClient {
  starts = 0;
  readonly subscription: MmuNotifier;

  constructor(mm: FakeMm, id: number, extra: MmuNotifierOps = {}) {
    const client = this;
    const answered = new WaitQueue(mm.sched, 'remote answer');
    this.subscription = new MmuNotifier(id, {
      *invalidateRangeStart(_, range) {
        client.starts++;
        if (!range.blockable) return -Errno.EAGAIN;
        yield* answered.until(() => true);
        return 0;
      },
      ...extra,
    });
  }
}

/** Registers a watching client on both sides of one with `ops`, and lets the reaper go for the page. */
function reap(
  ops: (mm: FakeMm) => MmuNotifier,
  heedsFailure = true,
): { mm: FakeMm; error: number; clients: ProtocolClient[] } {
  let result: { mm: FakeMm; error: number; clients: ProtocolClient[] } | undefined;
  runTasks({
    *a(sched) {
      const mm = new FakeMm(sched);
      const clients = [new ProtocolClient(mm, 1), new ProtocolClient(mm, 3)];
      yield* clients[0]!.register();
      yield* mmuNotifierRegister(ops(mm), mm);
      yield* clients[1]!.register();
      const error = yield* mm.reap(pageAt(0), heedsFailure);
      for (const client of clients) client.finish();
      result = { mm, error, clients };
    },
  });
  return result!;
}

const remote = (mm: FakeMm): MmuNotifier => new RemoteClient(mm, 2).subscription;

describe('a non-blockable start', () => {
  it('succeeds when no client would sleep, and has its end', () => {
    const { mm, error, clients } = reap(
      (own) => new MmuNotifier(2, new ProtocolClient(own, 2).subscription.ops),
    );
    expect([error, `${mm.verdict}`, mm.freed.size]).toEqual([0, ALL_KEPT, 1]);
    expect(clients.map(({ starts, ends }) => [starts, ends])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('fails with -EAGAIN when one would; all others have started and have ended, and the page is left alone', () => {
    const { mm, error, clients } = reap(remote);
    expect([error, `${mm.verdict}`, mm.freed.size]).toEqual([-Errno.EAGAIN, ALL_KEPT, 0]);
    expect(clients.map(({ starts, ends, open }) => [starts, ends, open.length])).toEqual([
      [1, 1, 0],
      [1, 1, 0],
    ]);
  });

  it('that failed leaves no range open, so that the next client can register', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        yield* mmuNotifierRegister(remote(mm), mm);
        yield* mm.reap(pageAt(0));
        expect(mm.notifierSubscriptions!.activeInvalidateRanges).toBe(0);
        expect(yield* new ProtocolClient(mm).register()).toBe(0);
      },
    });
  });

  it('is followed by a blockable one that the same client can serve', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const client = new RemoteClient(mm, 1);
        yield* mmuNotifierRegister(client.subscription, mm);
        yield* mm.reap(pageAt(0));
        yield* mm.unmap(pageAt(0));
        expect([client.starts, mm.freed.size]).toEqual([2, 1]);
      },
    });
  });

  it('breaks rule 4 when the caller changes the page in spite of the failure', () => {
    expect(`${reap(remote, false).mm.verdict}`).toBe('broken: 4');
  });

  it('is a bug when a client sleeps in it, or in its end', () => {
    const sleeps = bugOf(() =>
      reap(
        (mm) =>
          new RemoteClient(mm, 2, {
            *invalidateRangeStart() {
              yield* new WaitQueue(mm.sched, 'remote').until(() => true);
              return 0;
            },
          }).subscription,
      ),
    );
    expect(sleeps.message).toBe('sleeping function called from invalid context: remote');
    const sleepsAtEnd = bugOf(() =>
      reap(
        (mm) =>
          new MmuNotifier(2, {
            *invalidateRangeEnd() {
              yield* new WaitQueue(mm.sched, 'remote').until(() => true);
            },
          }),
      ),
    );
    expect(sleepsAtEnd.details).toMatchObject({ nonBlockable: 1 });
  });
});

describe('a start that fails', () => {
  const MAY_NOT = 'invalidate_range_start may fail only with -EAGAIN, non-blockable and without an end';

  it('must not have an end', () => {
    const error = bugOf(() =>
      reap((mm) => new RemoteClient(mm, 2, { *invalidateRangeEnd() {} }).subscription),
    );
    expect([error.message, error.details.subscription]).toEqual([MAY_NOT, 2]);
  });

  it('must not do so with anything but -EAGAIN', () => {
    const failing = new MmuNotifier(2, {
      *invalidateRangeStart() {
        return -Errno.ENOMEM;
      },
    });
    expect(bugOf(() => reap(() => failing)).details).toMatchObject({ error: -Errno.ENOMEM });
  });

  it('must not do so when it may sleep', () => {
    const error = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          const stubborn = new MmuNotifier(1, {
            *invalidateRangeStart() {
              return -Errno.EAGAIN;
            },
          });
          yield* mmuNotifierRegister(stubborn, mm);
          yield* mm.mmapLock.lockRead();
          const range: MmuNotifierRange = mm.range(pageAt(0));
          yield* mmuNotifierInvalidateRangeStart(range);
        },
      }),
    );
    expect([error.message, error.details.blockable]).toEqual([MAY_NOT, true]);
  });
});
