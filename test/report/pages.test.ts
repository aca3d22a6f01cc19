// What a report keeps of pages: rows of the heat map, and lives.

import { describe, expect, it } from 'vitest';
import { HeatMap } from '../../src/report/heatMap.ts';
import { PageLives } from '../../src/report/pageLives.ts';

const sum = (columns: readonly (readonly number[])[]): number => columns.flat().reduce((a, b) => a + b, 0);

describe('the heat map', () => {
  it('has a row for each page that was touched, however far apart', () => {
    const map = new HeatMap();
    map.fault(1_000_000);
    map.place(5, false);
    map.place(1_000_000, true);
    map.endColumn(null);
    expect(map.record).toEqual({
      pagesPerRow: 1,
      rows: [5, 1_000_000],
      resident: [[1, 0]],
      swapped: [[0, 1]],
      faults: [[0, 1]],
    });
  });

  it('puts pages together when there are more than rows, and loses none', () => {
    const map = new HeatMap();
    for (let column = 0; column < 3; column++) {
      for (let page = 0; page < 1000; page++) {
        map.place(page, page % 4 === 0);
        if (page < 500) map.fault(page);
      }
      map.endColumn(null);
    }
    const { pagesPerRow, rows, resident, swapped, faults } = map.record;
    expect(pagesPerRow).toBe(4);
    expect(rows).toEqual(Array.from({ length: 250 }, (_, i) => 4 * i));
    expect([sum(resident), sum(swapped), sum(faults)]).toEqual([3 * 750, 3 * 250, 3 * 500]);
    expect(resident[2]!.every((pages) => pages === 3)).toBe(true);
  });

  it('keeps the last place and all faults when columns become one', () => {
    const map = new HeatMap();
    for (const isInSwap of [false, true, false, true]) {
      map.fault(7);
      map.place(7, isInSwap);
      map.endColumn(null);
    }
    map.place(7, false);
    map.endColumn([1, 4]);
    expect(map.record).toMatchObject({ resident: [[0], [1]], swapped: [[1], [0]], faults: [[2], [2]] });
  });
});

describe('the lives of pages', () => {
  it('are whole while there is room', () => {
    const lives = new PageLives();
    lives.add(3, 10, 'mapped', 99);
    lives.add(3, 20, 'aged', 1);
    lives.addRange(0, 100, 30, 'notified', 1);
    expect(lives.record).toEqual([{ page: 3, events: [10, 0, 99, 20, 6, 1, 30, 2, 1], dropped: 0 }]);
  });

  it('are those of some pages, whole and scattered, when there are too many', () => {
    const lives = new PageLives();
    for (let round = 0; round < 20; round++) {
      for (let page = 0; page < 10_000; page++) lives.add(page, round, 'mapped', 0);
    }
    const { record } = lives;
    expect(record.length).toBeGreaterThan(500);
    expect(record.length * 20).toBeLessThanOrEqual(40_000);
    expect(record.every(({ events }) => events.length === 60)).toBe(true);
    const inThird = record.filter(({ page }) => page < 3333).length;
    expect(inThird / record.length).toBeCloseTo(1 / 3, 1);
  });

  it('of a page to which very much happens have its latest events', () => {
    const lives = new PageLives();
    for (let time = 0; time < 100_000; time++) lives.add(0, time, 'aged', 0);
    const [{ events, dropped } = { events: [], dropped: 0 }] = lives.record;
    expect(events.length / 3).toBeLessThanOrEqual(2500);
    expect(events.at(-3)).toBe(99_999);
    expect(events[0]).toBe(dropped);
  });
});
