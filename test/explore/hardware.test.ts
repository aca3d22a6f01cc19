// Hardware that acts on its own: what it does is part of the schedule, is offered where it can matter, and breaks the
// protocols that do not reckon with it.

import { beforeAll, expect, it } from 'vitest';
import { loadScenarios, type Variant } from './support.ts';

let production: Variant;
beforeAll(async () => {
  production = await loadScenarios();
}, 120_000);

/** The actions of a schedule, without what they are about: "cpu1/fill". */
const actionsOf = (variant: Variant, schedule: ReturnType<Variant['parseSchedule']>): string[] =>
  variant
    .formatSchedule(schedule)
    .split(',')
    .flatMap((part) => /\+([a-z]+\d*(?:\/[a-z-]+)?)/.exec(part)?.[1] ?? []);

it('acts in random schedules, which run again as they were, and is shown', () => {
  const explorer = new production.Explorer(production.scenarios.pageoutWarm);
  const seen = new Set<string>();
  for (let seed = 1; seed <= 150; seed++) {
    const run = explorer.run(production.posStrategy(seed, { bound: 3, chances: 12 }));
    const actions = actionsOf(production, run.schedule);
    expect(actions.length).toBeLessThanOrEqual(3);
    expect(run.found).toBeNull();
    const { missed, ...again } = explorer.replay(
      production.parseSchedule(production.formatSchedule(run.schedule)),
    );
    expect(again).toEqual(run);
    expect(missed).toBe(0);
    if (actions.length > 0 && seen.size === 0) {
      const { trace } = production.traceRun(explorer, run.schedule);
      expect(trace.filter(({ task }) => /^(cpu|hart|clock)/.test(task))).toHaveLength(actions.length);
    }
    for (const action of actions) seen.add(action);
  }
  expect([...seen].sort()).toEqual(
    expect.arrayContaining(['clock', 'cpu1/fill', 'vcpu0/fill', 'vcpu0/goes-on']),
  );
});

it('doubles no work: an action that changes nothing that a step sees is not searched', () => {
  const explorer = new production.Explorer(production.scenarios.pageoutWarm);
  const schedules = (hardware: number): number => {
    const search = new production.Search(explorer, {
      policy: 'bounded',
      bound: 0,
      seed: 1,
      schedules: 2_000,
      hardware,
    });
    search.step(() => false);
    expect(search.state).toMatchObject({ complete: true, failure: null, hardware });
    return search.state.schedules;
  };
  schedules(0);
  const without = schedules(0);
  expect(schedules(1)).toBeGreaterThan(without);
  expect(schedules(3)).toBeLessThan(40 * without);
});

it('goes on until the kick has arrived, so that somebody has to wait for it', async () => {
  const broken = await loadScenarios([
    {
      file: 'kvm/requests.ts',
      find: 'while (vcpu.mode === VcpuMode.exitingGuest) {',
      replace: 'while (false) {',
    },
  ]);
  const explorer = new broken.Explorer(broken.scenarios.pageoutWarm);
  const search = new broken.Search(explorer, { policy: 'bounded', bound: 1, seed: 1, schedules: 2_000 });
  search.step(() => false);
  expect(search.state.failure?.found?.invariant).toBe('I1');
  expect(search.state.failure?.preemptions).toBe(1);
});
