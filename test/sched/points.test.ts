// The rule that a point stands before each access to shared state, as the accessors enforce it.

import { describe, expect, it } from 'vitest';
import { at, BLOCKED, type PointKind, points, RESCHED, type Steps } from '../../src/sched/index.ts';
import { bugOf, inTurn, pointByPoint, runTasks } from '../support/tasks.ts';

/** An accessor of shared state, as mm and kvm have them. */
const access = (kind: PointKind, object: number): void => {
  if (points.on) points.check(kind as 'pte', object);
};
const exploring = (body: () => Steps) => () => runTasks({ a: body }, pointByPoint());

const WITHOUT_POINT = 'access to shared state without its point';

describe('an access to shared state', () => {
  it('is fine after its point, as often as wanted until the next stop', () => {
    exploring(function* () {
      if (points.on) yield at.pte(4096);
      access('pte', 4096);
      access('pte', 4096);
      if (points.on) yield at.page(1);
      access('page', 1);
    })();
  });

  it.each<[string, () => Steps]>([
    [
      'without any point',
      function* () {
        access('pte', 4096);
      },
    ],
    [
      'after the point of another object',
      function* () {
        if (points.on) yield at.pte(4096);
        access('pte', 4104);
      },
    ],
    [
      'after a point of another kind',
      function* () {
        if (points.on) yield at.pte(4096);
        access('spte', 4096);
      },
    ],
    [
      'after a later point of something else',
      function* () {
        if (points.on) yield at.pte(4096);
        if (points.on) yield at.page(1);
        access('pte', 4096);
      },
    ],
    [
      'after giving the CPU away, which ends the point',
      function* () {
        if (points.on) yield at.pte(4096);
        yield RESCHED;
        access('pte', 4096);
      },
    ],
  ])('is a bug %s', (_, body) => {
    expect(bugOf(exploring(body)).message).toBe(WITHOUT_POINT);
  });

  it('is a bug after sleeping, which ends the point', () => {
    const run = (): unknown =>
      runTasks(
        {
          *sleeper(sched) {
            if (points.on) yield at.pte(4096);
            const sleeper = sched.current;
            sched.after(10, () => sched.wake(sleeper));
            sched.block('timer');
            yield BLOCKED;
            access('pte', 4096);
          },
        },
        pointByPoint(),
      );
    expect(bugOf(run).message).toBe(WITHOUT_POINT);
  });

  it('is not helped by the point of another task', () => {
    const run = (): unknown =>
      runTasks(
        {
          *a() {
            if (points.on) yield at.pte(4096);
          },
          *b() {
            access('pte', 4096);
          },
        },
        pointByPoint(),
      );
    expect(bugOf(run).details).toMatchObject({ access: 'pte 4096', task: 'b' });
  });

  it('needs no point in run mode, nor between steps', () => {
    runTasks(
      {
        *a() {
          access('pte', 4096);
          yield RESCHED;
        },
      },
      inTurn(),
    );
    const sched = runTasks(
      {
        *a() {
          if (points.on) yield at.pte(8192);
          access('pte', 8192);
        },
      },
      pointByPoint(),
    );
    let looked = false;
    sched.after(0, () => {
      access('pte', 4096);
      looked = true;
    });
    sched.run(() => looked);
    expect(points.on).toBe(false);
  });
});
