import { describe, expect, it } from 'vitest';
import { Random } from '../../src/sched/index.ts';

const draw = (seed: number, count = 100): number[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => random.next());
};

describe('the seeded generator', () => {
  it('gives 32-bit integers, the same for the same seed', () => {
    expect(draw(42)).toEqual(draw(42));
    expect(draw(42).every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)).toBe(true);
  });

  it('uses all 53 bits of the seed', () => {
    const seeds = [0, 1, 2, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER];
    expect(new Set(seeds.map((seed) => draw(seed, 4).join())).size).toBe(seeds.length);
  });

  it('does not change from release to release, so that a seed in a report stays good', () => {
    expect(draw(1, 3)).toEqual([573063952, 3268221502, 703077755]);
  });

  it('spreads below() evenly over [0, limit)', () => {
    const random = new Random(7);
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < 60_000; i++) counts[random.below(6)]!++;
    // Six standard deviations of a binomial with n = 60,000 and p = 1/6.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(6 * 91.3);
    expect(random.below(1)).toBe(0);
  });

  it('sets each of the 32 bits about half of the time', () => {
    const values = draw(3, 4096);
    for (let bit = 0; bit < 32; bit++) {
      const set = values.filter((value) => (value >>> bit) & 1).length;
      expect(Math.abs(set - 2048)).toBeLessThan(6 * 32);
    }
  });
});
