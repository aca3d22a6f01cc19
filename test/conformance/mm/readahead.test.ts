// What is read ahead of a fault, and what a fault maps round about: scripts with the answers of Linux 6.18, recorded by
// recorder.c.

import { describe, expect, it } from 'vitest';
import { makePlay } from './play.ts';

interface Answer {
  readonly core?: string;
  readonly pages: string;
}

const play = makePlay();

function lastOf(script: string): Answer {
  const answers = play(script.trim().replace(/^\s+/gm, ''), 'script').map(
    (line) => JSON.parse(line) as Answer,
  );
  return answers.at(-1)!;
}

describe('a fault in pages of a file that are not in the page cache', () => {
  const afterFault = (prot: string, advice: string): string =>
    lastOf(`
      mmap 0 16 r-- sf0 0
      fpunch 0 3 8
      mmap 20 6 ${prot} pf0 2
      madvise 20 6 ${advice}
      r 22 16
      mincore 0 16`).core!;

  it('has what lies round it read', () => {
    expect(afterFault('rw-', 'NORMAL')).toBe('1111111111111111');
  });

  it('has what follows in the VMA read, where it may be executed', () => {
    expect(afterFault('r-x', 'NORMAL')).toBe('1110111100011111');
  });

  it('has what follows read, where pages are read in order', () => {
    expect(afterFault('rw-', 'SEQUENTIAL')).toBe('1110111111111111');
    expect(afterFault('rwx', 'SEQUENTIAL')).toBe('1110111111111111');
  });

  it('has nothing else read, where they are not', () => {
    expect(afterFault('rw-', 'RANDOM')).toBe('1110100000011111');
  });
});

describe('fault-around', () => {
  const script = `
    mmap 0 8 rw- sf0 0
    w 3 16 7
    madvise 3 1 PAGEOUT
    r 2 16`;

  it('passes over a page that reclaim wants written (PG_reclaim is PG_readahead)', () => {
    expect(lastOf(script).pages.slice(0, 8)).toBe('FFF-FFFF');
  });

  it('takes it along once it was faulted in and stored to', () => {
    const again = `
      w 3 16 8
      madvise 0 8 DONTNEED
      r 2 16`;
    expect(lastOf(script + again).pages.slice(0, 8)).toBe('FFFFFFFF');
  });
});
