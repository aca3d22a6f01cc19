// Control flow and dataflow of a region: budget checks are never far, irreducible edges leave, dirty registers are
// loaded on every path to an exit, and what counts as a sign-extended word is one on every path.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CodeCache } from '../../../../src/hw/hart/index.ts';
import { solve } from '../../../../src/hw/hart/translate/dataflow.ts';
import { analyse, type Flow, LEAVES, MAX_UNCHECKED } from '../../../../src/hw/hart/translate/flow.ts';
import { PageCode } from '../../../../src/hw/hart/translate/pageCode.ts';
import { discover, End, forks, goesOn } from '../../../../src/hw/hart/translate/region.ts';
import { planWords } from '../../../../src/hw/hart/translate/words.ts';
import { encode, Op } from '../../../../src/hw/isa/index.ts';
import { PhysicalMemory } from '../../../../src/hw/memory/index.ts';
import { pfnToHpa } from '../../../../src/units.ts';

const nop = encode(Op.addi, 0, 0, 0, 0);
const branch = (offset: number): number => encode(Op.bne, 0, 5, 6, offset);
const jump = (offset: number): number => encode(Op.jal, 0, 0, 0, offset);
const load = (rd: number): number => encode(Op.ld, rd, 8, 0, 0);
const set = (rd: number): number => encode(Op.addi, rd, 0, 0, 1);
const ret = encode(Op.jalr, 0, 1, 0, 0);

function regionOf(words: readonly number[], entry = 0, hubs = true) {
  const memory = new PhysicalMemory({ frames: 1, deviceBytes: 0 });
  const cache = new CodeCache(memory);
  memory.writeBytes(pfnToHpa(memory.firstPfn), new Uint8Array(Int32Array.from(words).buffer));
  const page = new PageCode(memory, cache, cache.page(memory.firstPfn), 0, null);
  // As if all of it had been executed before.
  for (let offset = 0; offset < words.length * 4; offset += 4) page.at(offset);
  page.renew();
  const flow = analyse(discover(page, entry), entry, hubs);
  const plan = (mayLook: boolean) => planWords(flow, page.words, () => mayLook);
  return { flow, data: solve(flow, page.words), onWords: plan(false).instructions, looking: plan(true) };
}

/** Instructions of the longest path from block i that meets no budget check after i. */
function longestUnchecked(flow: Flow, i: number): number {
  const successors = [flow.taken[i]!, flow.next[i]!].filter((j) => j !== LEAVES && flow.budget[j] === 0);
  return flow.blocks[i]!.count + Math.max(0, ...successors.map((j) => longestUnchecked(flow, j)));
}

test('straight code is checked at its start and then every few hundred instructions', () => {
  const { flow } = regionOf([...new Array<number>(1000).fill(nop), ret]);
  expect(flow.blocks.reduce((sum, block) => sum + block.count, 0)).toBe(1001);
  expect(flow.budget.filter((least) => least > 0).length).toBeGreaterThan(3);
  expect(flow.budget[0]).toBe(longestUnchecked(flow, 0));
});

test('each budget check covers the longest path to the next one, and no cycle is without a check', () => {
  const word = fc.oneof(
    { weight: 3, arbitrary: fc.constant(nop) },
    { weight: 1, arbitrary: fc.integer({ min: -60, max: 90 }).map((n) => branch(n * 4)) },
    { weight: 1, arbitrary: fc.integer({ min: -60, max: 90 }).map((n) => jump(n * 4)) },
  );
  const program = fc.array(word, { minLength: 1, maxLength: 1024, size: 'max' });
  fc.assert(
    fc.property(program, (words) => {
      const { flow } = regionOf([...words, ret].slice(0, 1024));
      flow.blocks.forEach((_, i) => {
        if (flow.budget[i] === 0) return;
        expect(flow.budget[i]).toBeGreaterThanOrEqual(longestUnchecked(flow, i));
        expect(flow.budget[i]).toBeLessThanOrEqual(MAX_UNCHECKED);
      });
      expect(flow.budget[0]).toBeGreaterThan(0);
    }),
    { numRuns: 100 },
  );
});

test('a loop that is entered beside its header has a hub, to which all ways into it lead', () => {
  // 0: branch to 12; 4: the loop's first block; 12: its second, with the back edge to 4
  const entered = [branch(12), nop, nop, nop, branch(-12), ret];
  const { flow } = regionOf(entered);
  const at = (start: number): number => flow.blocks.findIndex((block) => block.start === start);
  const headers = [...flow.isLoop.keys()].filter((i) => flow.isLoop[i] === 1);
  expect(headers.map((i) => flow.blocks[i]!.end)).toEqual([End.pick]);
  for (const start of [4, 12]) {
    expect(flow.predecessors[at(start)]!.filter((i) => flow.blocks[i]!.start >= 0)).toEqual([]);
  }
  // The way back, with where it leads.
  const back = flow.taken[at(12)]!;
  expect(flow.blocks[back]).toMatchObject({ end: End.aim, imm: 4 });
  expect(flow.taken[back]).toBe(headers[0]);

  const { flow: without } = regionOf(entered, 0, false);
  const second = without.blocks.findIndex((block) => block.start === 12);
  expect(without.taken[second]).toBe(LEAVES);
  expect([...without.isLoop]).not.toContain(1);
});

test('no edge of a region leaves it for a block that is in it', () => {
  const word = fc.oneof(
    fc.constant(nop),
    fc.integer({ min: -9, max: 9 }).map((n) => branch(n * 4)),
  );
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), (words) => {
      const { flow } = regionOf([...words, ret]);
      const starts = new Set(flow.blocks.map(({ start }) => start));
      flow.blocks.forEach(({ end, taken, next }, i) => {
        if (goesOn(end) && starts.has(taken)) expect(flow.taken[i]).not.toBe(LEAVES);
        if (forks(end) && starts.has(next)) expect(flow.next[i]).not.toBe(LEAVES);
      });
    }),
    { numRuns: 300 },
  );
});

test('a region that starts at an inner loop does without the loop around it', () => {
  // 0: outer header; 4: inner loop; 8: inner branch; 12: outer branch
  const nest = [nop, nop, branch(-4), branch(-12), ret];
  expect(regionOf(nest, 0).flow.blocks.map((block) => block.start)).toContain(4);
  expect(regionOf(nest, 4).flow.blocks.map((block) => block.start)).not.toContain(0);
});

test('a region that starts in a loop keeps what comes back to it, or may, and does without what follows', () => {
  // 0: header, the way out leads to 16; 8: back to 0; 12: the next loop; 20: its end
  const inARow = [branch(16), nop, branch(-8), nop, nop, branch(-4), ret];
  const starts = (words: readonly number[], entry: number) =>
    regionOf(words, entry)
      .flow.blocks.map((block) => block.start)
      .sort((a, b) => a - b);
  expect(starts(inARow, 0)).toEqual([0, 4]);
  expect(starts(inARow, 16)).toEqual([16]);
  // Entered before the loops, it holds them all.
  expect(starts([nop, ...inARow], 0)).toEqual([0, 4, 8, 16, 20, 28]);
  // 8: a call, which comes back behind it; and a way out that was never taken, so that it is not known to be one.
  const call = encode(Op.jal, 1, 0, 0, 400);
  expect(starts([branch(12), nop, branch(-8), call, jump(-16), ret], 0)).toEqual([0, 4, 12]);
});

test('a loop that is entered in its middle begins there', () => {
  // 0: outer header, jumps to 12; 4: 8: the inner loop's end, which leads on to 12; 12: its header; 16: back to 4; 20:
  // to 0
  const rotated = [jump(12), nop, nop, nop, branch(-12), branch(-20), ret];
  const starts = (entry: number) => regionOf(rotated, entry).flow.blocks.map((block) => block.start);
  expect(starts(12)).toEqual(expect.arrayContaining([12, 4, 20]));
  expect(starts(12)).not.toContain(0);
  expect(starts(4)).not.toContain(12);
});

test('a region that starts between calls keeps the code before it that does not come back on its own', () => {
  // 0: loop header, 4: call; 8: after the call, back to 0
  const { flow } = regionOf([nop, encode(Op.jal, 1, 0, 0, 400), branch(-8), ret], 8);
  expect(flow.blocks.map((block) => block.start).sort()).toEqual([0, 12, 8]);
});

test('a register written on one of two paths is loaded at the entry when an access after them can leave', () => {
  // x10 is written on one path, the load may miss where they meet, then x10 is written again before the end
  const { data } = regionOf([branch(8), set(10), load(11), set(10), ret]);
  expect((data.liveAtEntry >>> 10) & 1).toBe(1);
});

test('a register that every path writes before its use is not loaded', () => {
  const { data } = regionOf([set(10), load(11), ret]);
  expect((data.liveAtEntry >>> 10) & 1).toBe(0);
  expect((data.liveAtEntry >>> 8) & 1).toBe(1);
});

test('an instruction works on words where its operands are words on every path', () => {
  const lw = (rd: number): number => encode(Op.lw, rd, 8, 0, 0);
  const xor = encode(Op.xor, 5, 5, 6, 0);
  expect([...regionOf([lw(5), lw(6), xor, ret]).onWords]).toContain(8);
  expect([...regionOf([lw(5), load(6), xor, ret]).onWords]).not.toContain(8);
  // What a region starts with is unknown, in the first round of a loop too.
  expect([...regionOf([lw(6), xor, lw(5), branch(-8), ret]).onWords]).not.toContain(4);
  // Words on one of two paths, and on both.
  expect([...regionOf([lw(6), branch(8), load(5), xor, ret]).onWords]).not.toContain(12);
  expect([...regionOf([lw(5), lw(6), branch(8), set(5), xor, xor, branch(-8), ret]).onWords]).toContain(20);
});

test('a loop looks for words in what it makes words of each round, where that is of use and is not known before', () => {
  const lw = (rd: number): number => encode(Op.lw, rd, 8, 0, 0);
  const xor = encode(Op.xor, 7, 5, 6, 0);
  const masks = (...registers: number[]) => registers.reduce((mask, r) => mask | (1 << r), 0);
  const both = regionOf([xor, lw(5), lw(6), branch(-12), ret]).looking;
  expect([...both.instructions]).toContain(0);
  expect(both.looked[0]).toBe(masks(5, 6));
  // Not of x6, which the loop leaves alone, so that it is of no use of x5 either.
  const one = regionOf([xor, lw(5), jump(-8)]).looking;
  expect([...one.instructions]).not.toContain(0);
  expect(one.looked[0]).toBe(0);
  // x5 is a word already before an inner loop; x6 is a doubleword in one of two rounds.
  const inner = regionOf([lw(5), load(6), xor, lw(5), lw(6), branch(-12), ret]);
  expect(inner.looking.looked[1]).toBe(masks(6));
  const rounds = regionOf([xor, lw(5), lw(6), branch(-12), load(6), branch(-20), ret]).looking;
  expect([...rounds.instructions]).not.toContain(0);
});
