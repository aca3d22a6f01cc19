// What lockdep remembers: links that go together without a circle, and no others.

import { expect, it } from 'vitest';
import { KnownOrder } from '../../src/sched/knownOrder.ts';
import { Random } from '../../src/sched/random.ts';

type Link = readonly [from: number, to: number];

function isWay(links: readonly Link[], from: number, to: number): boolean {
  const met = new Set([from]);
  for (const at of met) for (const [start, end] of links) if (start === at) met.add(end);
  return met.has(to);
}

it('takes a link exactly if there is no way back over those that it took', () => {
  const random = new Random(1);
  let refused = 0;
  for (let round = 0; round < 40; round++) {
    const order = new KnownOrder();
    const taken: Link[] = [];
    for (let i = 0; i < 40; i++) {
      const link: Link = [random.below(8), random.below(8)];
      const isTaken = order.takes(...link);
      expect(isTaken).toBe(!isWay(taken, link[1], link[0]));
      if (isTaken) taken.push(link);
      else refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
});
