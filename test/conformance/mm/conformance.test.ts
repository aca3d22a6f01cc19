// The memory manager against a real kernel's recorded answers.

import { describe, expect, it } from 'vitest';
import { createHost } from '../../../src/machine.ts';
import { MemorySwapDevice } from '../../../src/mm/index.ts';
import { parseScript, ScriptRunner } from '../../../src/vmm/index.ts';
import { firstDifference, type Level } from './compare.ts';
import { readRecordings } from './recorded.ts';

const SWAP_SLOTS = 16384;

const host = createHost({
  hostRamBytes: 64 * 2 ** 20,
  swap: new MemorySwapDevice(SWAP_SLOTS + 1),
  cpus: 1,
  seed: 1,
});

/** Every script leaves the host as it found it. */
function play(script: string, name: string): string[] {
  const runner = new ScriptRunner(host);
  const records = parseScript(script, name).map((step) => runner.step(step));
  runner.close();
  const { zone, committedAs, swap } = host;
  const left = { pages: zone.managedPages - zone.freePages, committedAs, free: swap?.freeSlots };
  expect({ name, ...left }).toEqual({ name, pages: 0, committedAs: 0, free: SWAP_SLOTS });
  return records;
}

describe('scripts recorded on Linux 6.18', () => {
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
