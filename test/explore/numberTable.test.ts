// NumberTable answers what a Map would, however it grows, and is empty when cleared.

import { expect, it } from 'vitest';
import { NumberTable } from '../../src/explore/numberTable.ts';
import { Random } from '../../src/sched/index.ts';

it('keeps the words of each key, as a Map does, while it grows', () => {
  const table = new NumberTable(2, 4);
  const known = new Map<number, readonly [number, number]>();
  const random = new Random(7);
  for (let i = 0; i < 20_000; i++) {
    // Few high words and few low ones: many keys share either.
    const key = random.below(900) * 2 ** 40 + random.below(7);
    const place = table.placeOf(key);
    expect([table.words[place], table.words[place + 1]]).toEqual(known.get(key) ?? [0, 0]);
    const words = [random.below(2 ** 30), -random.below(2 ** 30)] as const;
    table.words[place] = words[0];
    table.words[place + 1] = words[1];
    known.set(key, words);
  }
  expect(known.size).toBeGreaterThan(4000);
});

it('is empty when cleared', () => {
  const table = new NumberTable(1, 4);
  for (let key = 0; key < 100; key++) table.words[table.placeOf(key)] = key + 1;
  table.clear();
  for (let key = 0; key < 100; key++) expect(table.words[table.placeOf(key)]).toBe(0);
});
