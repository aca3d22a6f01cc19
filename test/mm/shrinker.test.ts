// Shrinkers: how hard they are pressed, what they give before anybody is killed, and that nobody asks one that is gone.

import { describe, expect, it } from 'vitest';
import { allocKernelPages, freeKernelPages, type Host, type Shrinker } from '../../src/mm/index.ts';
import { Shrinkers } from '../../src/mm/reclaim/shrinker.ts';
import { RESCHED, randomPolicy, runPolicy, Scheduler, type Steps } from '../../src/sched/index.ts';
import { bug, type Pfn } from '../../src/units.ts';
import { expectNothingLeaked, makeBench, runTasks } from './support.ts';

/** Runs one task to its end. */
function run(body: (sched: Scheduler) => Steps): void {
  const sched = new Scheduler(runPolicy());
  const task = sched.spawn('test', body(sched));
  sched.run(() => task.state === 'done');
  expect(task.state).toBe('done');
}

/** A cache of `count` objects; what was asked of it. */
function cache(count: number, seeks = 2) {
  const asked: number[] = [];
  const shrinker: Shrinker = {
    seeks,
    countObjects: () => count - asked.reduce((sum, frames) => sum + frames, 0),
    *scanObjects(frames) {
      asked.push(frames);
      return frames;
    },
  };
  return { shrinker, asked };
}

/** What a cache of 1000 objects is asked for by one pass at `priority`, in batches of 100. */
function askedAt(priority: number, seeks = 2, passes = 1): number[] {
  const { shrinker, asked } = cache(1000, seeks);
  run(function* (sched) {
    const shrinkers = new Shrinkers(sched, 100);
    yield* shrinkers.register(shrinker);
    for (let i = 0; i < passes; i++) yield* shrinkers.shrinkSlab(null, priority);
  });
  return asked;
}

describe('a shrinker', () => {
  it('is asked for the part that reclaim looks at of its lists, by what its objects cost', () => {
    expect(askedAt(12)).toEqual([]);
    expect(askedAt(3)).toEqual([100, 100]);
    expect(askedAt(2)).toEqual([100, 100, 100, 100, 100]);
    expect(askedAt(2, 20)).toEqual([]);
    expect(askedAt(1, 20)).toEqual([100]);
  });

  it('is asked later for what was too little for a batch, but not where reclaim hardly tries', () => {
    // 50 a pass; of what was put off, a quarter.
    expect(askedAt(2, 20, 4)).toEqual([]);
    expect(askedAt(2, 20, 6)).toEqual([100]);
    expect(askedAt(0, 200, 4)).toEqual([]);
    expect(askedAt(0, 200, 5)).toEqual([100]);
  });

  it('that gives nothing is left alone until the next pass', () => {
    let scans = 0;
    run(function* (sched) {
      const shrinkers = new Shrinkers(sched, 10);
      yield* shrinkers.register({
        seeks: 2,
        countObjects: () => 100,
        *scanObjects() {
          scans++;
          return 0;
        },
      });
      expect(yield* shrinkers.shrinkSlab(null, 0)).toBe(0);
    });
    expect(scans).toBe(1);
  });

  it('is not let go while somebody is in it, and not asked afterwards', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sched = new Scheduler(randomPolicy(seed));
      const shrinkers = new Shrinkers(sched, 1);
      let inside = 0;
      let isGone = false;
      let scans = 0;
      const shrinker: Shrinker = {
        seeks: 2,
        countObjects: () => 1,
        *scanObjects() {
          expect(isGone).toBe(false);
          inside++;
          for (let i = 0; i < 5; i++) yield RESCHED;
          inside--;
          scans++;
          return 1;
        },
      };
      const tasks = [
        sched.spawn(
          'reclaimer',
          repeat(8, () => shrinkers.shrinkSlab(null, 0)),
        ),
        sched.spawn(
          'other reclaimer',
          repeat(8, () => shrinkers.shrinkSlab(null, 0)),
        ),
        sched.spawn(
          'owner',
          (function* () {
            yield* shrinkers.register(shrinker);
            for (let i = 0; i < 10; i++) yield RESCHED;
            yield* shrinkers.unregister(shrinker);
            expect(inside).toBe(0);
            isGone = true;
          })(),
        ),
      ];
      sched.run(() => tasks.every(({ state }) => state === 'done'));
      expect(isGone).toBe(true);
      expect(scans).toBeLessThan(16);
    }
  });
});

function* repeat(times: number, body: () => Steps<number>): Steps {
  for (let i = 0; i < times; i++) yield* body();
}

/** Kernel memory that comes free when asked for. */
function* hoard(host: Host, pages: number): Steps<{ readonly shrinker: Shrinker; readonly kept: Pfn[] }> {
  const kept: Pfn[] = [];
  for (let i = 0; i < pages; i++) kept.push((yield* allocKernelPages(host, 0, 'kernel')) ?? bug('no memory'));
  const shrinker: Shrinker = {
    seeks: 20,
    countObjects: () => kept.length,
    *scanObjects(frames) {
      const given = kept.splice(0, frames);
      for (const pfn of given) yield* freeKernelPages(host, pfn, 0);
      return given.length;
    },
  };
  return { shrinker, kept };
}

it('kernel memory that can be given back is, before anybody is killed', () => {
  const bench = makeBench({ frames: 32, swapSlots: 8 });
  const { host } = bench;
  runTasks(bench, function* () {
    const { shrinker, kept } = yield* hoard(host, 16);
    yield* host.shrinkers.register(shrinker);
    const mine: Pfn[] = [];
    for (let i = 0; i < 24; i++) {
      mine.push((yield* allocKernelPages(host, 0, 'kernel')) ?? bug(`no memory for page ${i}`));
    }
    expect(kept.length).toBeLessThan(8);
    expect(host.vmstat.oom_kill).toBe(0);
    yield* host.shrinkers.unregister(shrinker);
    for (const pfn of [...mine, ...kept]) yield* freeKernelPages(host, pfn, 0);
  });
  expectNothingLeaked(bench);
});
