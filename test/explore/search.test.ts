// Searches: tiny programs whose interleavings can be counted, the protocols under each policy, and schedules as text.

import { beforeAll, describe, expect, it } from 'vitest';
import { BoundedSearch } from '../../src/explore/bounded.ts';
import { formatSchedule, parseSchedule } from '../../src/explore/schedule.ts';
import { Steering, type Strategy } from '../../src/explore/steering.ts';

import { at, points, Scheduler, type Steps } from '../../src/sched/index.ts';
import { loadScenarios, type Variant } from './support.ts';

/** `steps` accesses to object `object` each, by as many tasks as there are numbers; the orders in which they happened. */
function interleavings(steps: readonly number[], bound: number): string[] {
  const steering = new Steering();
  const search = new BoundedSearch(bound);
  const orders: string[] = [];
  while (search.next()) {
    const sched = new Scheduler(steering);
    let order = '';
    const body = function* (name: string, count: number): Steps {
      for (let i = 0; i < count; i++) {
        if (points.on) yield at.vcpu(0);
        order += name;
      }
    };
    for (const [index, count] of steps.entries()) sched.spawn('abc'[index]!, body('abc'[index]!, count));
    steering.begin(search as Strategy);
    sched.run(() => false);
    steering.end();
    orders.push(order);
  }
  return orders;
}

const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));

describe('bounded search', () => {
  it.each([[[1, 1]], [[2, 2]], [[3, 2]], [[2, 2, 2]], [[4, 3]]])(
    'runs every interleaving of %j once',
    (steps) => {
      const orders = interleavings(steps, 99);
      const total = steps.reduce((a, b) => a + b, 0);
      const count = steps.reduce((quotient, each) => quotient / factorial(each), factorial(total));
      expect(new Set(orders).size).toBe(count);
      // A task stops before its first access as well: being chosen there is a choice of its own, which gives the same
      // order.
      expect(orders.length).toBeGreaterThanOrEqual(count);
    },
  );

  it('pre-empts nobody at bound 0', () => {
    expect(new Set(interleavings([3, 3], 0))).toEqual(new Set(['aaabbb', 'bbbaaa']));
  });

  it('finds with each bound what needs as many pre-emptions', () => {
    const switches = (order: string): number =>
      [...order].filter((name, i) => i > 0 && order[i - 1] !== name).length;
    for (const bound of [0, 1, 2, 3]) {
      // Two tasks: the last of them runs to its end without being pre-empted.
      expect(Math.max(...interleavings([4, 4], bound).map(switches))).toBe(bound + 1);
    }
  });
});

describe('schedules as text', () => {
  it('are read as they are written', () => {
    const schedule = [
      { after: '', steps: 0, to: 'vcpu0', hardware: false },
      { after: 'ipi/1', steps: 12, to: 'reclaim', hardware: false },
      { after: 'reclaim', steps: 31, to: 'vcpu0/fill/80001', hardware: true },
    ];
    expect(parseSchedule(formatSchedule(schedule))).toEqual(schedule);
    expect(parseSchedule(formatSchedule([]))).toEqual([]);
  });

  it.each(['', 'x', 'a:1>', ':>b', 'a:1>b,,c:2>d', 'a:-1>b'])(
    'are refused where they are none: %j',
    (text) => {
      expect(() => parseSchedule(text)).toThrow('bad schedule');
    },
  );
});

describe('a scenario', () => {
  let production: Variant;
  let broken: Variant;
  beforeAll(async () => {
    production = await loadScenarios();
    broken = await loadScenarios([
      { file: 'kvm/pageFault.ts', find: 'kvm.mmuInvalidateInProgress > 0 &&', replace: 'false &&' },
    ]);
  }, 120_000);

  const search = (
    variant: Variant,
    options: object,
    scenario: keyof Variant['scenarios'] = 'pageoutWarm',
  ) => {
    const explorer = new variant.Explorer(variant.scenarios[scenario]);
    const made = new variant.Search(explorer, {
      policy: 'bounded',
      bound: 1,
      seed: 1,
      schedules: 2_000,
      ...options,
    });
    return { explorer, search: made };
  };

  it('passes every schedule with one pre-emption, in production', () => {
    const { search: made } = search(production, { hardware: 0 });
    made.step(() => false);
    expect(made.state).toMatchObject({ complete: true, failure: null, bound: 1 });
    expect(made.state.schedules).toBeGreaterThan(100);
  });

  it('is broken without the count of open ranges, by every policy, and the failure can be run again', () => {
    for (const policy of ['bounded', 'pos', 'pct'] as const) {
      const { explorer, search: made } = search(broken, { policy }, 'pageout');
      made.step(() => false);
      const { failure } = made.state;
      expect(failure?.found?.invariant, policy).toBe('I1');
      const least = broken.minimise(explorer, failure!);
      expect(least.preemptions).toBeLessThanOrEqual(failure!.preemptions);
      const text = broken.formatSchedule(least.schedule);
      for (let again = 0; again < 2; again++) {
        expect(explorer.replay(broken.parseSchedule(text))).toEqual({ ...least, missed: 0 });
      }
      const twin = broken.passingTwin(explorer, least);
      if (twin !== null) expect(explorer.replay(twin.schedule).found).toBeNull();
    }
  });

  it('comes to its end though two tasks retry until a third, of a lower priority, is done', () => {
    for (const policy of ['pos', 'pct'] as const) {
      const { search: made } = search(production, { policy, schedules: 50 }, 'dontneed');
      made.step(() => false);
      expect(made.state.failure?.found ?? null, policy).toBeNull();
    }
  });

  it('is searched to its end by DPOR as by sleep sets, which find what bounded search finds', async () => {
    const hasty = await loadScenarios([
      { file: 'notifier/interval.ts', find: 'if (seq !== 0) {', replace: 'if (seq < 0) {' },
    ]);
    const stateOf = (variant: Variant, policy: 'bounded' | 'dpor' | 'sleep') => {
      const { search: made } = search(variant, { policy, bound: 0, hardware: 0 }, 'intervalRemove');
      made.step(() => false);
      return made.state;
    };
    const schedules: number[] = [];
    for (const policy of ['dpor', 'sleep', 'bounded'] as const) {
      expect(stateOf(hasty, policy).failure?.found?.invariant, policy).toBe('I7');
      const { complete, failure, schedules: count } = stateOf(production, policy);
      expect({ complete, failure }, policy).toEqual({ complete: true, failure: null });
      schedules.push(count);
    }
    // Sleep sets begin runs that they have to cut short.
    expect(schedules[0]).toBeLessThan(schedules[1]! / 2);
  });

  it('is broken by what hardware does for DPOR as for bounded search, and for neither without', async () => {
    const unflushed = await loadScenarios([
      { file: 'mm/pagetable/tlbFlush.ts', find: 'if (mask === 0) return;', replace: 'return;' },
    ]);
    for (const policy of ['dpor', 'bounded'] as const) {
      for (const hardware of [0, 1]) {
        const { search: made } = search(unflushed, { policy, bound: 1, hardware }, 'intervalRemove');
        made.step(() => false);
        const { failure, complete } = made.state;
        expect(failure?.found?.invariant, policy).toBe(hardware === 0 ? undefined : 'I2');
        expect(complete, policy).toBe(hardware === 0);
      }
    }
  });

  it('is searched the same way however it is sliced, and its shards are all of it', () => {
    const whole = search(production, { hardware: 0 }).search;
    whole.step(() => false);
    const sliced = search(production, { hardware: 0 }).search;
    while (!sliced.state.isOver) sliced.step(() => true);
    expect(sliced.state).toEqual(whole.state);
    const parts = [0, 1, 2].map((index) => {
      const part = search(production, { hardware: 0, shard: { index, count: 3 } }).search;
      part.step(() => false);
      return part.state;
    });
    expect(parts.every(({ failure }) => failure === null)).toBe(true);
    const sum = parts.reduce((total, { schedules }) => total + schedules, 0);
    expect(sum).toBeGreaterThanOrEqual(whole.state.schedules);
    expect(sum).toBeLessThan(whole.state.schedules + 200);
  });

  it('shows what changed, where and by whom', () => {
    const { explorer, search: made } = search(broken, {}, 'pageout');
    made.step(() => false);
    const lanes = broken.traceRun(explorer, made.state.failure!.schedule);
    expect(lanes.found).toEqual(made.state.failure!.found);
    expect(lanes.tasks).toContain('reclaim');
    const begun = lanes.trace.find(({ changes }) =>
      changes.some((c) => c === 'kvm.mmuInvalidateInProgress 0 -> 1'),
    );
    expect(begun?.task).toBe('reclaim');
    expect(begun?.site).toMatch(/^kvm\/notifierClient\.ts:\d+ handleHvaRange$/);
    expect(begun?.held).toContain('kvm->mmu_lock');
  });
});
