// Release and unregister against everything that may run next to them: rules 14, 15, 16 and 38, in every schedule with
// a few pre-emptions, each with a mutant that breaks it.

import { describe, expect, it } from 'vitest';
import { MmuNotifier, mmuNotifierRegister, mmuNotifierUnregister } from '../../src/notifier/index.ts';
import { at, points, type Scheduler, type Steps } from '../../src/sched/index.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { HastySrcu } from '../support/hastySrcu.ts';
import { FakeMm, type FakeMmMutation, pageAt } from '../support/notifier/fakeMm.ts';
import { ProtocolClient } from '../support/notifier/protocolClient.ts';
import { SpteClient } from '../support/notifier/spteClient.ts';
import { ALL_KEPT } from '../support/notifier/verdict.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

const HASTY: FakeMmMutation = { srcu: (sched: Scheduler) => new HastySrcu(sched, 'hasty') };

const outcomesOf = (program: Program, preemptions = 3): string[] =>
  Object.keys(enumerate(program, preemptions).outcomes).sort();

/** Takes the client off the list as the code of 2008 did: before its release. */
function* unlinkThenRelease(mm: FakeMm, { subscription }: SpteClient): Steps {
  const subscriptions = mm.notifierSubscriptions!;
  yield* subscriptions.lock.lock();
  if (points.on) yield at.list(subscriptions.lock.id);
  subscriptions.replaceListLocked(subscriptions.list.filter((other) => other !== subscription));
  yield* subscriptions.lock.unlock();
  yield* subscription.ops.release!(subscription, mm);
  yield* mm.notifierEnvironment.srcu.synchronize();
}

describe('unregister', () => {
  /** A callback is in flight while its client leaves. */
  const againstCallback =
    (mutation: FakeMmMutation = {}): Program =>
    (sched) => {
      const mm = new FakeMm(sched, 1, mutation);
      const client = new ProtocolClient(mm);
      sched.spawn(
        'main',
        (function* () {
          yield* client.register();
          sched.spawn('reclaim', mm.unmap(pageAt(0), mm.rmapLock));
          sched.spawn('unregister', client.unregister());
        })(),
      );
      return () => `${mm.verdict}, ${client.starts} starts, ${client.ends} ends, ${client.releases} releases`;
    };

  it('returns when no method runs any more, and none runs afterwards (rule 16)', () => {
    expect(outcomesOf(againstCallback(), 4)).toEqual([
      `${ALL_KEPT}, 0 starts, 0 ends, 1 releases`,
      `${ALL_KEPT}, 1 starts, 0 ends, 1 releases`,
      `${ALL_KEPT}, 1 starts, 1 ends, 1 releases`,
    ]);
  });

  it('breaks rule 16 when it does not wait for a grace period', () => {
    expect(outcomesOf(againstCallback(HASTY)).join()).toContain('broken: 16');
  });

  /** A vCPU uses its translation while the VM is torn down and the host reclaims the page. */
  const againstReclaim =
    (leave: (mm: FakeMm, client: SpteClient) => Steps): Program =>
    (sched) => {
      const mm = new FakeMm(sched);
      const client = new SpteClient(mm);
      sched.spawn(
        'main',
        (function* () {
          yield* client.register();
          yield* client.fault(pageAt(0));
          sched.spawn('reclaim', mm.unmap(pageAt(0), mm.rmapLock));
          sched.spawn('leave', leave(mm, client));
          sched.spawn('vcpu', client.use(pageAt(0)));
        })(),
      );
      return () => mm.verdict;
    };

  it('releases before it unlinks, so that no page is freed behind a client’s back (rule 15)', () => {
    expect(
      outcomesOf(
        againstReclaim((_, client) => client.unregister()),
        2,
      ),
    ).toEqual([ALL_KEPT]);
    expect(outcomesOf(againstReclaim(unlinkThenRelease), 2)).toContain('broken: use after free');
  });

  it('is a bug in a callback, for it would wait for itself', () => {
    const error = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          const subscription: MmuNotifier = new MmuNotifier(1, {
            *invalidateRangeStart() {
              yield* mmuNotifierUnregister(subscription, mm);
              return 0;
            },
          });
          yield* mmuNotifierRegister(subscription, mm);
          yield* mm.unmap(pageAt(0));
        },
      }),
    );
    expect(error.message).toBe('mmu_notifier srcu: synchronize inside a read section');
  });

  it('is a bug for who is not registered', () => {
    const error = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          const client = new ProtocolClient(mm);
          yield* new ProtocolClient(mm, 2).register();
          yield* client.unregister();
        },
      }),
    );
    expect(error.message).toBe('mmu_notifier_unregister: not registered');
  });

  it('lets two clients leave at the same time', () => {
    const program: Program = (sched) => {
      const mm = new FakeMm(sched);
      const clients = [new ProtocolClient(mm, 1), new ProtocolClient(mm, 2)];
      sched.spawn(
        'main',
        (function* () {
          for (const client of clients) yield* client.register();
          for (const client of clients) sched.spawn(`${client.subscription.id}`, client.unregister());
        })(),
      );
      return () => `${mm.verdict}, ${mm.notifierSubscriptions!.list.length} left, mm_count ${mm.mmCount}`;
    };
    expect(outcomesOf(program)).toEqual([`${ALL_KEPT}, 0 left, mm_count 1`]);
  });
});

describe('release at exit', () => {
  /** The client checks that no release runs or is still to come when a page is freed. */
  const againstUnregister =
    (mutation: FakeMmMutation = {}, clientOf = (mm: FakeMm) => new SpteClient(mm)): Program =>
    (sched) => {
      const mm = new FakeMm(sched, 1, mutation);
      const client = clientOf(mm);
      const { freed } = mm;
      const add = freed.add.bind(freed);
      freed.add = (frame) => {
        mm.verdict.check('14', client.releases > 0 && client.releasing === 0);
        return add(frame);
      };
      sched.spawn(
        'main',
        (function* () {
          yield* client.register();
          yield* client.fault(pageAt(0));
          sched.spawn('exit', mm.exit());
          sched.spawn('unregister', client.unregister());
        })(),
      );
      return () => `${mm.verdict}, ${client.releases} releases, mm_count ${mm.mmCount}`;
    };

  it('has ended before a page is freed, whoever called it, and may come twice (rules 14, 38)', () => {
    expect(outcomesOf(againstUnregister(), 4)).toEqual([
      `${ALL_KEPT}, 1 releases, mm_count 0`,
      `${ALL_KEPT}, 2 releases, mm_count 0`,
    ]);
  });

  it('breaks rule 14 when exit does not wait for the release that unregister runs', () => {
    expect(outcomesOf(againstUnregister(HASTY), 4).join()).toContain('broken: 14');
  });

  it('reaches every client before any is unlinked', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        const linked: number[] = [];
        for (const id of [1, 2, 3]) {
          const subscription = new MmuNotifier(id, {
            *release() {
              linked.push(mm.notifierSubscriptions!.list.length);
            },
          });
          yield* mmuNotifierRegister(subscription, mm);
        }
        mm.mmCount++;
        yield* mm.exit();
        expect(linked).toEqual([3, 3, 3]);
        expect(mm.notifierSubscriptions!.list).toEqual([]);
      },
    });
  });

  it('does nothing when nobody ever registered', () => {
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        yield* mm.exit();
        expect([mm.notifierSubscriptions, mm.mmCount]).toEqual([null, 0]);
      },
    });
  });

  /** A vCPU that still runs while the address space goes away. */
  const againstFault =
    (clientOf: (mm: FakeMm) => SpteClient): Program =>
    (sched) => {
      const mm = new FakeMm(sched);
      const client = clientOf(mm);
      sched.spawn(
        'main',
        (function* () {
          yield* client.register();
          sched.spawn('exit', mm.exit());
          sched.spawn('vcpu', vcpu());
        })(),
      );
      function* vcpu(): Steps {
        yield* client.fault(pageAt(0));
        yield* client.use(pageAt(0));
      }
      return () => mm.verdict;
    };

  /** Forgets that there has been a release. */
  class ForgetfulClient extends SpteClient {
    protected override stopFaults(): void {}
  }

  it('is the end of new translations (rule 38)', () => {
    expect(outcomesOf(againstFault((mm) => new SpteClient(mm)))).toEqual([ALL_KEPT]);
    expect(outcomesOf(againstFault((mm) => new ForgetfulClient(mm)))).toContain('broken: use after free');
  });
});
