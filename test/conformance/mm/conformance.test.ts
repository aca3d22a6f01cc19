// The memory manager against a real kernel's recorded answers.

import { describe, expect, it } from 'vitest';
import { firstDifference, type Level } from './compare.ts';
import { makePlay } from './play.ts';
import { readRecordings } from './recorded.ts';

describe('scripts recorded on Linux 6.18', () => {
  const play = makePlay();
  const played = readRecordings().map(({ name, script, golden }) => ({
    name,
    golden,
    got: play(script, name),
  }));

  const differing = (level: Level): string[] =>
    played.flatMap(({ name, golden, got }) => {
      const difference = firstDifference(golden, got, level);
      return difference === null ? [] : [`${name} ${difference}`];
    });

  it.each(['data', 'vma', 'pages'] as const)('agree at the level %s', (level) => {
    expect(differing(level)).toEqual([]);
  });

  it('agree in everything, fault counts and the page cache included, but for what is explained', () => {
    const names = differing('strict').map((text) => text.slice(0, 5));
    expect(names).toEqual(Object.keys(EXPLAINED));
  });
});

/** Where recording and simulation differ, and why. */
const EXPLAINED: Readonly<Record<string, string>> = {
  s0129: 'the flusher thread had written the page back, which costs the next store a fault: wall-clock time',
  s0145: 'page 15 of the file was not in the page cache when the fault past the end looked round itself',
};
