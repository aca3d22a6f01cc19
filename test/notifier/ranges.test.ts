// start and end around a change of page tables: rules 1 to 6 and 31, each with a mutant that breaks it.

import { describe, expect, it } from 'vitest';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart } from '../../src/notifier/index.ts';
import { LOCKS, Mutex, type Scheduler, Srcu } from '../../src/sched/index.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { FakeMm, type Phase, pageAt, UNMAP } from '../support/notifier/fakeMm.ts';
import { ProtocolClient } from '../support/notifier/protocolClient.ts';
import { SpteClient } from '../support/notifier/spteClient.ts';
import { ALL_KEPT } from '../support/notifier/verdict.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

/** Unmaps one page in this order, with two clients watching. */
function unmapIn(order: readonly Phase[]): string {
  let mm: FakeMm | undefined;
  runTasks({
    *a(sched) {
      mm = new FakeMm(sched);
      const clients = [new ProtocolClient(mm, 1), new ProtocolClient(mm, 2)];
      for (const client of clients) yield* client.register();
      yield* mm.unmap(pageAt(0), mm.rmapLock, order);
      for (const client of clients) client.finish();
    },
  });
  return `${mm!.verdict}`;
}

/** Moves one phase of UNMAP behind another, or to the front. */
function moved(phase: Phase, behind: Phase | null): Phase[] {
  const rest = UNMAP.filter((other) => other !== phase);
  rest.splice(behind === null ? 0 : rest.indexOf(behind) + 1, 0, phase);
  return rest;
}

describe('an operation on page tables', () => {
  it('keeps rules 1 to 5 when it starts, clears, ends and frees in this order', () => {
    expect(unmapIn(UNMAP)).toBe(ALL_KEPT);
    expect(unmapIn(moved('free', 'clear'))).toBe(ALL_KEPT);
  });

  it('breaks rule 1 when it forgets the end', () => {
    expect(unmapIn(UNMAP.filter((phase) => phase !== 'end'))).toContain('1');
  });

  it('breaks rules 2 and 3 when it starts after it has freed', () => {
    const order: Phase[] = ['lock', 'lock pte', 'clear', 'unlock pte', 'free', 'start', 'end', 'unlock'];
    expect(unmapIn(order)).toBe('broken: 2, 3');
  });

  it('breaks rule 3 when it changes the PTE before start has returned', () => {
    const order: Phase[] = ['lock', 'lock pte', 'clear', 'unlock pte', 'start', 'end', 'unlock', 'free'];
    expect(unmapIn(order)).toBe('broken: 3');
  });

  it('breaks rule 4 when it changes the PTE after the end', () => {
    expect(unmapIn(moved('end', 'start'))).toBe('broken: 4');
  });

  it('breaks rule 5 when no lock keeps the list and the rmap stable', () => {
    expect(unmapIn(UNMAP.filter((phase) => phase !== 'lock' && phase !== 'unlock'))).toBe('broken: 5');
  });

  it('is stopped when it starts or ends under the PTE lock', () => {
    const underPteLock = 'sleeping function called from invalid context: mmu_notifier_invalidate_range_start';
    expect(bugOf(() => unmapIn(moved('start', 'lock pte'))).message).toBe(underPteLock);
    expect(bugOf(() => unmapIn(moved('end', 'clear'))).message).toBe(
      'mmu_notifier range under a lock that a client may take',
    );
  });

  it('costs nothing while nobody is registered', () => {
    const sched = runTasks({
      *a(own) {
        const mm = new FakeMm(own);
        yield* mm.unmap(pageAt(0));
        expect(mm.notifierSubscriptions).toBeNull();
      },
    });
    expect(sched.tasks).toEqual([]);
  });

  it('is a bug when it ends what it has not started', () => {
    expect(bugOf(() => unmapIn(UNMAP.filter((phase) => phase !== 'start'))).message).toBe(
      'invalidate_range_end without start',
    );
  });

  it('calls the newest client first and every client once', () => {
    const log: string[] = [];
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched);
        for (const id of [1, 2, 3]) {
          const client = new ProtocolClient(mm, id);
          const { ops } = client.subscription;
          const { invalidateRangeStart } = ops;
          ops.invalidateRangeStart = (subscription, range) => {
            log.push(`start ${subscription.id}`);
            return invalidateRangeStart!(subscription, range);
          };
          yield* client.register();
        }
        yield* mm.unmap(pageAt(0));
      },
    });
    expect(log).toEqual(['start 3', 'start 2', 'start 1']);
  });
});

describe('a blockable start (rule 6)', () => {
  const startUnder =
    (prepare: (sched: Scheduler) => Generator<never, void> | ReturnType<Mutex['lock']>) => () =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          yield* new ProtocolClient(mm).register();
          yield* prepare(sched);
          yield* mmuNotifierInvalidateRangeStart(mm.range(pageAt(0)));
        },
      });
  const INVALID = 'sleeping function called from invalid context: mmu_notifier_invalidate_range_start';

  it('is a bug under a spinlock, in an RCU read section and in a non-blockable section', () => {
    for (const prepare of [
      (sched: Scheduler) => new Mutex(sched, LOCKS.zone_lock).lock(),
      function* (sched: Scheduler): Generator<never, void> {
        new Srcu(sched, 'rcu', false).readLock().next();
      },
      function* (sched: Scheduler): Generator<never, void> {
        sched.current.nonBlockableDepth++;
      },
    ])
      expect(bugOf(startUnder(prepare)).message).toBe(INVALID);
  });

  it('may sleep in the callback, and so may its end; the same in atomic context is a bug', () => {
    const error = bugOf(() =>
      runTasks({
        *a(sched) {
          const mm = new FakeMm(sched);
          yield* new ProtocolClient(mm).register();
          const range = mm.range(pageAt(0));
          yield* mm.mmapLock.lockRead();
          yield* mmuNotifierInvalidateRangeStart(range);
          sched.current.rcuDepth++;
          yield* mmuNotifierInvalidateRangeEnd(range);
        },
      }),
    );
    expect(error.message).toContain('mmu_notifier_invalidate_range_end');
  });
});

describe('concurrent ranges (rule 31)', () => {
  /** Overlapping ranges of two pages while a vCPU faults and uses the second page. */
  const overlapping =
    (clientOf: (mm: FakeMm) => SpteClient): Program =>
    (sched) => {
      const mm = new FakeMm(sched, 2);
      const client = clientOf(mm);
      sched.spawn(
        'main',
        (function* () {
          yield* client.register();
          sched.spawn('outer', mm.unmap(pageAt(1), mm.mmapLock));
          sched.spawn('inner', mm.unmap(pageAt(0), mm.rmapLock, UNMAP, 2));
          sched.spawn('vcpu', vcpu());
        })(),
      );
      function* vcpu() {
        yield* client.fault(pageAt(1));
        yield* client.use(pageAt(1));
      }
      return () => mm.verdict;
    };

  /** The ranges in progress as a flag: the end of one ends all. */
  class FlagClient extends SpteClient {
    protected override endRange(): void {
      this.openRanges = 0;
    }

    protected override mayInstall(): boolean {
      return this.openRanges === 0;
    }
  }

  /** Only the sequence, as if start alone were enough. */
  class NoCountClient extends SpteClient {
    protected override mayInstall(sequence: number): boolean {
      return this.sequence === sequence;
    }
  }

  const under = (clientOf: (mm: FakeMm) => SpteClient): string[] =>
    Object.keys(enumerate(overlapping(clientOf), 2).outcomes).sort();

  it('never let a client that counts them use a freed page', () => {
    expect(under((mm) => new SpteClient(mm))).toEqual([ALL_KEPT]);
  });

  it('break a client that keeps a flag, and one that does not look at all', () => {
    expect(under((mm) => new FlagClient(mm))).toContain('broken: use after free');
    expect(under((mm) => new NoCountClient(mm))).toContain('broken: use after free');
  });

  it('keep rules 1 to 5 for each of them in every schedule', () => {
    const program: Program = (sched) => {
      const mm = new FakeMm(sched, 2);
      const client = new ProtocolClient(mm);
      sched.spawn(
        'main',
        (function* () {
          yield* client.register();
          sched.spawn('reclaim', mm.unmap(pageAt(0), mm.rmapLock));
          sched.spawn('munmap', mm.unmap(pageAt(1), mm.mmapLock));
        })(),
      );
      return () => {
        client.finish();
        return `${mm.verdict}, ${mm.notifierSubscriptions!.activeInvalidateRanges} open`;
      };
    };
    expect(Object.keys(enumerate(program, 3).outcomes)).toEqual([`${ALL_KEPT}, 0 open`]);
  });
});
