// Weak memory in the explorer: production needs each of its barriers, and only where memory may be weak is it seen.

import { expect, it } from 'vitest';
import { loadScenario } from '../../src/exploration.ts';
import type { SourceEdit } from '../../src/loader/index.ts';

const OF_VCPU: SourceEdit = { file: 'kvm/vcpu.ts', find: '  smpMb(kvm.sched);\n', replace: '' };
const OF_REQUESTER: SourceEdit = { file: 'kvm/requests.ts', find: '    smpMb(kvm.sched);\n', replace: '' };

async function searched(edits: readonly SourceEdit[], weak: boolean) {
  const variant = await loadScenario('pageout-warm', edits);
  const explorer = new variant.Explorer(variant.scenario);
  explorer.weak = weak;
  const options = { policy: 'bounded' as const, bound: 0, hardware: 1, seed: 1 };
  const search = new variant.Search(explorer, { ...options, schedules: Number.POSITIVE_INFINITY });
  search.step(() => false);
  return { variant, explorer, ...search.state };
}

it('lets production pass', async () => {
  const [strong, weak] = [await searched([], false), await searched([], true)];
  expect(strong).toMatchObject({ complete: true, failure: null });
  expect(weak).toMatchObject({ complete: true, failure: null });
  expect(weak.schedules).toBeGreaterThan(strong.schedules);
});

it('finds that who enters the guest does not order its mode before its requests', async () => {
  expect(await searched([OF_VCPU], false)).toMatchObject({ complete: true, failure: null });
  const { variant, explorer, failure } = await searched([OF_VCPU], true);
  expect(failure?.found?.invariant).toBe('I1');
  const { schedule } = variant.minimise(explorer, failure!);
  expect(variant.formatSchedule(schedule)).toMatch(/^vcpu0:\d+\+cpu0\/stale$/);
  // Whoever replays it need not say that memory is weak.
  const again = new variant.Explorer(variant.scenario).replay(schedule);
  expect([again.found, again.missed]).toEqual([failure!.found, 0]);
});

/** What breaks if the request is seen late, and the vCPU has looked for it before: wherever these may be. */
async function seenLate(edits: readonly SourceEdit[]): Promise<(string | undefined)[]> {
  const variant = await loadScenario('pageout-warm', edits);
  const explorer = new variant.Explorer(variant.scenario);
  const found = new Set<string | undefined>();
  for (let request = 35; request < 50; request++) {
    for (let looked = 3; looked < 5; looked++) {
      const switches = `reclaim:${request + 1}>vcpu0,vcpu0:${looked}>reclaim`;
      const schedule = variant.parseSchedule(`:0>reclaim,reclaim:${request}+cpu1/delays,${switches}`);
      found.add(explorer.replay(schedule).found?.invariant);
    }
  }
  return [...found];
}

it('finds that who makes a request does not order it before its look at the mode', async () => {
  expect(await seenLate([])).toEqual([undefined]);
  expect(await seenLate([OF_REQUESTER])).toContain('I1');
});
