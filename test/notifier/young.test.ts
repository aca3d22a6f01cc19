// clear_flush_young, clear_young, test_young and the secondary-TLB call: rule 20, and that none of them may sleep.

import { describe, expect, it } from 'vitest';
import {
  MmuNotifier,
  type MmuNotifierOps,
  mmuNotifierArchInvalidateSecondaryTlbs,
  mmuNotifierClearFlushYoung,
  mmuNotifierClearYoung,
  mmuNotifierRegister,
  mmuNotifierTestYoung,
  type NotifierMm,
} from '../../src/notifier/index.ts';
import { type Steps, WaitQueue } from '../../src/sched/index.ts';
import { hva, PAGE_SIZE } from '../../src/units.ts';
import { FakeMm, pageAt } from '../support/notifier/fakeMm.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

const START = pageAt(0);
const END = hva(START + PAGE_SIZE);

/** A client with one accessed bit. */
class YoungClient {
  young: boolean;
  calls = 0;
  flushes = 0;
  constructor(young: boolean) {
    this.young = young;
  }

  ops(): MmuNotifierOps {
    const client = this;
    const clear = function* (): Steps<boolean> {
      client.calls++;
      const was = client.young;
      client.young = false;
      return was;
    };
    return {
      *clearFlushYoung() {
        client.flushes++;
        return yield* clear();
      },
      clearYoung: clear,
      *testYoung() {
        client.calls++;
        return client.young;
      },
    };
  }
}

/** Registers clients with these ops and runs `body` under the PTE lock. */
function underPteLock(clients: readonly MmuNotifierOps[], body: (mm: NotifierMm) => Steps): void {
  runTasks({
    *a(sched) {
      const mm = new FakeMm(sched);
      for (const [id, ops] of clients.entries()) yield* mmuNotifierRegister(new MmuNotifier(id, ops), mm);
      yield* mm.rmapLock.lockRead();
      yield* mm.pteLock.lock();
      yield* body(mm);
      yield* mm.pteLock.unlock();
      yield* mm.rmapLock.unlock();
    },
  });
}

const COMBINATIONS = [
  [false, false, false],
  [true, false, false],
  [false, true, false],
  [false, false, true],
  [true, true, true],
].map((bits) => ({ bits, expected: bits.includes(true) }));

describe.each([
  { name: 'clear_flush_young', call: mmuNotifierClearFlushYoung, flushes: 1 },
  { name: 'clear_young', call: mmuNotifierClearYoung, flushes: 0 },
])('$name', ({ call, flushes }) => {
  it.each(COMBINATIONS)(
    'is the OR over all clients and asks every one of them: $bits',
    ({ bits, expected }) => {
      const clients = bits.map((young) => new YoungClient(young));
      underPteLock(
        clients.map((client) => client.ops()),
        function* (mm) {
          expect(yield* call(mm, START, END)).toBe(expected);
          expect(clients.map((client) => [client.calls, client.flushes])).toEqual(
            bits.map(() => [1, flushes]),
          );
          expect(yield* call(mm, START, END)).toBe(false);
        },
      );
    },
  );

  it('takes a client without the callback for old', () => {
    underPteLock([{}, new YoungClient(true).ops()], function* (mm) {
      expect(yield* call(mm, START, END)).toBe(true);
      expect(yield* call(mm, START, END)).toBe(false);
    });
  });
});

describe('test_young', () => {
  it.each(COMBINATIONS)('is the OR over all clients and clears nothing: $bits', ({ bits, expected }) => {
    const clients = bits.map((young) => new YoungClient(young));
    underPteLock(
      clients.map((client) => client.ops()),
      function* (mm) {
        for (let i = 0; i < 2; i++) expect(yield* mmuNotifierTestYoung(mm, START)).toBe(expected);
        expect(clients.map(({ young }) => young)).toEqual(bits);
      },
    );
  });

  it('stops at the first client that says young, which is the newest', () => {
    const clients = [new YoungClient(true), new YoungClient(true), new YoungClient(false)];
    underPteLock(
      clients.map((client) => client.ops()),
      function* (mm) {
        yield* mmuNotifierTestYoung(mm, START);
        expect(clients.map(({ calls }) => calls)).toEqual([0, 1, 1]);
      },
    );
  });

  it('would be found out if it cleared: a client that does so loses the accessed bit', () => {
    const client = new YoungClient(true);
    const ops = client.ops();
    const clearing: MmuNotifierOps = {
      ...ops,
      testYoung: (subscription, mm) => ops.clearYoung!(subscription, mm, START, END),
    };
    underPteLock([clearing], function* (mm) {
      expect(yield* mmuNotifierTestYoung(mm, START)).toBe(true);
      expect(yield* mmuNotifierTestYoung(mm, START)).toBe(false);
    });
  });
});

describe('arch_invalidate_secondary_tlbs', () => {
  it('reaches each client that has it, with the range', () => {
    const calls: [number, number, number][] = [];
    const iommu: MmuNotifierOps = {
      *archInvalidateSecondaryTlbs(subscription, _mm, start, end) {
        calls.push([subscription.id, start, end]);
      },
    };
    underPteLock([iommu, {}, iommu], function* (mm) {
      yield* mmuNotifierArchInvalidateSecondaryTlbs(mm, START, END);
    });
    expect(calls).toEqual([
      [2, START, END],
      [0, START, END],
    ]);
  });
});

describe('a callback under the PTE lock', () => {
  const sleep = function* (mm: NotifierMm): Steps {
    yield* new WaitQueue(mm.notifierEnvironment.sched, 'remote answer').until(() => true);
  };
  const SLEEPY: MmuNotifierOps = {
    *clearFlushYoung(_, mm) {
      yield* sleep(mm);
      return true;
    },
    *clearYoung(_, mm) {
      yield* sleep(mm);
      return true;
    },
    *testYoung(_, mm) {
      yield* sleep(mm);
      return true;
    },
    *archInvalidateSecondaryTlbs(_, mm) {
      yield* sleep(mm);
    },
  };

  it.each([
    ['clear_flush_young', (mm: NotifierMm) => mmuNotifierClearFlushYoung(mm, START, END)],
    ['clear_young', (mm: NotifierMm) => mmuNotifierClearYoung(mm, START, END)],
    ['test_young', (mm: NotifierMm) => mmuNotifierTestYoung(mm, START)],
    [
      'arch_invalidate_secondary_tlbs',
      (mm: NotifierMm) => mmuNotifierArchInvalidateSecondaryTlbs(mm, START, END),
    ],
  ] as const)('must not sleep: %s', (_, call) => {
    const error = bugOf(() =>
      underPteLock([SLEEPY], function* (mm) {
        yield* call(mm);
      }),
    );
    expect(error.message).toBe('sleeping function called from invalid context: remote answer');
  });
});
