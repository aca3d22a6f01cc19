// The undo log restores a host to its start: whatever ran, everything that can be reached is what it was, and the same
// schedule does the same again.

import { beforeAll, describe, expect, it } from 'vitest';
import { firstDifference, graphLines } from '../support/graph.ts';
import { loadScenarios, type Variant } from './support.ts';

let variant: Variant;
beforeAll(async () => {
  variant = await loadScenarios();
}, 120_000);

describe.each(['pageout', 'dontneed'] as const)('%s', (name) => {
  it('is back at its start after each of many runs', () => {
    const explorer = new variant.Explorer(variant.scenarios[name]);
    explorer.run(variant.randomStrategy(0));
    const { host, kvm, mm, harts } = explorer.world;
    const start = graphLines({ host, kvm, mm, harts });
    expect(start.length).toBeGreaterThan(1_000);
    for (let seed = 1; seed <= 40; seed++) {
      explorer.run(seed % 2 === 0 ? variant.randomStrategy(seed) : variant.posStrategy(seed));
      expect(firstDifference(start, graphLines({ host, kvm, mm, harts }))).toBeNull();
    }
  });

  it('runs a schedule the same way each time, whatever ran between', () => {
    const explorer = new variant.Explorer(variant.scenarios[name]);
    for (let seed = 1; seed <= 60; seed++) explorer.run(variant.randomStrategy(seed));
    for (let seed = 1; seed <= 20; seed++) {
      const first = explorer.run(variant.randomStrategy(seed));
      explorer.run(variant.posStrategy(seed));
      const { missed, ...again } = explorer.replay(first.schedule);
      expect(again).toEqual(first);
      expect(missed).toBe(0);
    }
  });
});
