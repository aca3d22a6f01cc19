// Data races: what orders tasks is known, what is marked is no race, and one run is enough to see one.

import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type * as Explore from '../../src/explore/index.ts';
import { Races } from '../../src/explore/races.ts';
import { STRAIGHT, Steering, type Strategy } from '../../src/explore/steering.ts';
import { loadVariant } from '../../src/loader/index.ts';
import {
  type AccessMode,
  accesses,
  at,
  LOCKS,
  Mutex,
  points,
  RwLock,
  Scheduler,
  Srcu,
  type Steps,
  WaitQueue,
} from '../../src/sched/index.ts';
import type * as Pairs from './pairs.ts';
import { loadScenarios } from './support.ts';

const PAIRS = fileURLToPath(new URL('pairs.ts', import.meta.url));

const CELL = 1000;

/** An access of what both tasks share. */
function* touch(mode: AccessMode, cell = CELL): Steps {
  if (points.on) yield at.list(cell);
  if (points.on) points.check('list', cell, mode);
}

interface Shared {
  readonly sched: Scheduler;
  readonly lock: Mutex;
  readonly rwsem: RwLock;
  readonly srcu: Srcu;
  readonly queue: WaitQueue;
  isDone: boolean;
}

type Body = (shared: Shared) => Steps;

afterEach(() => {
  accesses.observer = null;
});

/** The race of one run of the tasks, under `strategy`. */
function raceOf(bodies: readonly Body[], strategy: Strategy = STRAIGHT) {
  const steering = new Steering();
  const races = new Races();
  const sched = new Scheduler(steering);
  const shared: Shared = {
    sched,
    lock: new Mutex(sched, LOCKS.mmu_lock),
    rwsem: new RwLock(sched, LOCKS.mmap_lock),
    srcu: new Srcu(sched, 'srcu'),
    queue: new WaitQueue(sched, 'queue'),
    isDone: false,
  };
  steering.begin(strategy);
  races.begin();
  steering.races = races;
  accesses.observer = races;
  for (const [index, body] of bodies.entries()) sched.spawn(`t${index}`, body(shared));
  sched.run(() => false);
  expect(sched.tasks).toEqual([]);
  return races.found;
}

const locked = (mode: AccessMode): Body =>
  function* ({ lock }) {
    yield* lock.lock();
    yield* touch(mode);
    yield* lock.unlock();
  };
const shared = (mode: AccessMode): Body =>
  function* ({ rwsem }) {
    yield* rwsem.lockRead();
    yield* touch(mode);
    yield* rwsem.unlock();
  };
const exclusive = (mode: AccessMode): Body =>
  function* ({ rwsem }) {
    yield* rwsem.lockWrite();
    yield* touch(mode);
    yield* rwsem.unlock();
  };

describe('two accesses that nothing orders', () => {
  it.each<[AccessMode, AccessMode, boolean]>([
    ['read', 'read', false],
    ['read', 'marked', false],
    ['read', 'update', true],
    ['read', 'write', true],
    ['marked', 'marked', false],
    ['marked', 'update', false],
    ['marked', 'write', true],
    ['update', 'update', true],
    ['update', 'write', true],
    ['write', 'write', true],
  ])('%s and %s: %j', (one, other, isRace) => {
    for (const [a, b] of [
      [one, other],
      [other, one],
    ] as const)
      expect(raceOf([() => touch(a), () => touch(b)]) !== null).toBe(isRace);
  });

  it('are reported with both tasks, and the locks that each held', () => {
    const race = raceOf([locked('write'), () => touch('read')]);
    expect(race).toMatchObject({ kind: 'list', object: CELL });
    expect(race?.earlier).toMatchObject({ task: 't0', mode: 'write', held: ['kvm->mmu_lock'] });
    expect(race?.later).toMatchObject({ task: 't1', mode: 'read', held: [] });
  });

  it('are seen though long ago, and after accesses that are no race', () => {
    const early: Body = function* () {
      yield* touch('write');
      for (let i = 0; i < 5; i++) yield* touch('read', CELL + 1);
    };
    expect(raceOf([early, locked('read')])?.earlier.mode).toBe('write');
  });

  it('of different objects are none', () => {
    expect(raceOf([() => touch('write'), () => touch('write', CELL + 1)])).toBeNull();
  });

  it('are one under different locks, and under one that is held for read', () => {
    expect(raceOf([locked('write'), exclusive('write')])).not.toBeNull();
    expect(raceOf([shared('write'), shared('read')])).not.toBeNull();
  });
});

describe('what orders two accesses', () => {
  it('is a lock that both hold', () => {
    expect(raceOf([locked('write'), locked('write'), locked('read')])).toBeNull();
  });

  it('is a reader-writer lock that one holds for write, also when it becomes a reader', () => {
    expect(raceOf([exclusive('write'), shared('read'), shared('read'), exclusive('write')])).toBeNull();
    const downgrades: Body = function* ({ rwsem }) {
      yield* rwsem.lockWrite();
      yield* touch('write');
      yield* rwsem.downgrade();
      yield* touch('read');
      yield* rwsem.unlock();
    };
    expect(raceOf([downgrades, shared('read'), downgrades])).toBeNull();
  });

  it('is that one started the other, but not what it does later', () => {
    const starts = (late: boolean): Body =>
      function* ({ sched }) {
        if (!late) yield* touch('write');
        sched.spawn('child', touch('write'));
        if (late) yield* touch('write');
      };
    expect(raceOf([starts(false)])).toBeNull();
    expect(raceOf([starts(true)])).not.toBeNull();
  });

  it('is waiting for it, whether the waiter slept or came late', () => {
    const waits: Body = function* (all) {
      yield* all.queue.until(() => all.isDone);
      yield* touch('write');
    };
    const does: Body = function* (all) {
      yield* touch('write');
      all.isDone = true;
      all.queue.wakeAll();
    };
    expect(raceOf([waits, does])).toBeNull();
    expect(raceOf([does, waits])).toBeNull();
  });

  it('is an event that one asked for and that woke the other, but not what is done after asking', () => {
    const waits: Body = function* (all) {
      yield* all.queue.until(() => all.isDone);
      yield* touch('write');
    };
    const asks = (late: boolean): Body =>
      function* (all) {
        if (!late) yield* touch('write');
        all.sched.after(10, () => {
          all.isDone = true;
          all.queue.wakeAll();
        });
        if (late) yield* touch('write');
      };
    expect(raceOf([waits, asks(false)])).toBeNull();
    expect(raceOf([waits, asks(true)])).not.toBeNull();
    // The event comes after nothing that a bystander does.
    expect(raceOf([waits, asks(false), () => touch('read')])).not.toBeNull();
  });

  it('is a grace period after the reader', () => {
    const reads: Body = function* ({ srcu }) {
      const index = yield* srcu.readLock();
      yield* touch('read');
      yield* srcu.readUnlock(index);
    };
    const updates = (waits: boolean): Body =>
      function* ({ srcu }) {
        if (waits) yield* srcu.synchronize();
        yield* touch('write');
      };
    expect(raceOf([reads, updates(true)])).toBeNull();
    expect(raceOf([reads, updates(false)])).not.toBeNull();
  });
});

it('is in none of the pairs of things that a host does', async () => {
  const entry = `export * from './explore/index.ts'; export * from ${JSON.stringify(PAIRS)};`;
  const variant = await loadVariant<typeof Explore & typeof Pairs>({ entry });
  const explorer = new variant.Explorer(variant.scenario);
  const operations = Object.keys(variant.OPERATIONS) as Pairs.Operation[];
  for (const [index, one] of operations.entries()) {
    for (const two of operations.slice(index)) {
      Object.assign(variant.pair, { one, two });
      const { found } = explorer.run(variant.posStrategy(index));
      expect(found, `${one}, ${two}`).toBeNull();
    }
  }
}, 120_000);

it('is found where an edit takes a lock away, though nothing breaks, and shown with both places', async () => {
  const edits = [
    {
      file: 'mm/page/zone.ts',
      find: '    if (!this.lock.take()) yield* this.lock.wait();\n',
      replace: '',
    },
    {
      file: 'mm/page/zone.ts',
      find: '    for (let i = 0; pfn !== 0 && i < 1 << order; i++) {\n      if (points.on) yield at.page(pfn + i);',
      replace:
        '    yield* this.lock.lock();\n    for (let i = 0; pfn !== 0 && i < 1 << order; i++) {\n      if (points.on) yield at.page(pfn + i);',
    },
  ];
  const [production, broken] = [await loadScenarios(), await loadScenarios(edits)];
  for (const { variant, isBroken } of [
    { variant: production, isBroken: false },
    { variant: broken, isBroken: true },
  ]) {
    const explorer = new variant.Explorer(variant.scenarios.copyOnWrite);
    const search = new variant.Search(explorer, {
      policy: 'pos',
      bound: 0,
      hardware: 0,
      seed: 1,
      schedules: 30,
    });
    search.step(() => false);
    const { failure } = search.state;
    if (!isBroken) {
      expect(failure).toBeNull();
      continue;
    }
    expect(failure?.found?.invariant).toBe('I8');
    expect(failure?.found?.message).toMatch(
      /^data race on list zone->lock: \w+ writes it at mm\/page\/zone\.ts:\d+ take \(held: .*\), \w+ writes it at mm\/page\/zone\.ts:\d+ take \(held: .*\), and nothing orders the two$/,
    );
    const least = variant.minimise(explorer, failure!);
    expect(explorer.replay(least.schedule)).toEqual({ ...least, missed: 0 });
  }
}, 120_000);
