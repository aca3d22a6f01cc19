// The enclosure sees what a slice does to memory that is not the guest's: here harts do it on purpose.

import { describe, expect, it } from 'vitest';
import { csrOffset, type Hart } from '../../src/hw/hart/index.ts';
import { PTE_A, PTE_D, PTE_V, PTE_W } from '../../src/hw/sv39/index.ts';
import type { Machine } from '../../src/machine.ts';
import { FrameKind } from '../../src/mm/internals.ts';
import { Random } from '../../src/sched/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { randomStream, runStream, type Stream } from './stream.ts';

const CANARY = 0x9e3779b97f4a7c15n;

/** The first stream with two harts, shadow paging and memory enough. */
function streamOfTwo(): Stream {
  for (let seed = 1; ; seed++) {
    const stream = randomStream(new Random(seed));
    const { vcpus, mmu, hostRamBytes } = stream.config;
    if (vcpus === 2 && mmu === 'shadow' && hostRamBytes > 56 * PAGE_SIZE) return stream;
  }
}
const stream = streamOfTwo();

/** The digest of the stream; `evil` is part of every slice of hart 0 until it has answered that it was done. */
function runWith(evil: (machine: Machine, hart: Hart) => boolean, canary = CANARY): string {
  let isDone = false;
  const tamper = (machine: Machine): void => {
    const hart = machine.harts[0]!;
    const run = hart.run.bind(hart);
    hart.run = (budget) => {
      const reason = run(budget);
      isDone ||= evil(machine, hart);
      return reason;
    };
  };
  const { digest } = runStream(stream, { translate: false, canary, slice: () => 25, tamper });
  expect(isDone).toBe(true);
  return digest;
}

/** The first frame of that kind; 0: there is none. */
const frameOf = ({ host: { frames } }: Machine, kind: FrameKind): number =>
  Math.max(0, frames.kind.indexOf(kind, frames.firstPfn));

/** Changes a byte of a frame of that kind, if there is one. */
const scribble =
  (kind: FrameKind) =>
  (machine: Machine): boolean => {
    const pfn = frameOf(machine, kind);
    if (pfn !== 0) machine.memory.u8[(pfn + 1) * PAGE_SIZE - 1]! ^= 1;
    return pfn !== 0;
  };

/** Changes the first present entry of a shadow page. */
const changeEntry =
  (change: (entry: number) => number) =>
  ({ memory: { i32, firstPfn, endPfn }, host: { frames } }: Machine): boolean => {
    for (let at = firstPfn * 1024; at < endPfn * 1024; at += 2) {
      if (frames.kind[at >> 10] !== FrameKind.shadow || (i32[at]! & PTE_V) === 0) continue;
      const old = i32[at]!;
      i32[at] = change(old);
      return i32[at] !== old;
    }
    return false;
  };

/** Copies the first bytes of a free frame into a word of the block. */
const readsInto =
  (word: number, bytes: number) =>
  (machine: Machine, { block, base }: Hart): boolean => {
    const at = frameOf(machine, FrameKind.free) * PAGE_SIZE;
    if (at === 0) return false;
    block.fill(0, word, word + 2);
    machine.memory.u8.copyWithin(base + word * 4, at, at + bytes);
    return true;
  };

describe('a slice that', () => {
  it('does nothing else is legal', () => {
    runWith(() => true);
  });

  it.each([
    ['a table of the host', FrameKind.pageTable, /of kind 2 was written/],
    ['the zero page', FrameKind.zeroPage, /of kind 5 was written/],
    ['a free frame', FrameKind.free, /of kind 0 was written/],
  ] as const)('writes to %s is found', (_, kind, message) => {
    expect(() => runWith(scribble(kind))).toThrow(message);
  });

  it.each([
    ['writable', (entry: number): number => entry ^ PTE_W],
    ['absent', (entry: number): number => entry & ~PTE_V],
    ['another frame', (entry: number): number => entry + (1 << 10)],
  ])('makes an entry of a shadow page %s is found', (_, change) => {
    expect(() => runWith(changeEntry(change))).toThrow(/a table of the hypervisor: word/);
  });

  it('clears A of an entry of a shadow page is found', () => {
    const clear = changeEntry((entry) => ((entry & PTE_A) === 0 ? entry : entry & ~PTE_A));
    expect(() => runWith((machine) => clear(machine))).toThrow(/a table of the hypervisor: word/);
  });

  it('sets A and D of an entry is legal', () => {
    runWith(changeEntry((entry) => entry | PTE_A | PTE_D));
  });

  it('writes to the block of another hart is found', () => {
    const evil = ({ harts }: Machine): boolean => ++harts[1]!.block[20]! !== 0;
    expect(() => runWith(evil)).toThrow(/memory of the host was written/);
  });

  it('fills an entry of the TLB of another hart is found, and one that revokes it is legal', () => {
    const set =
      (value: number) =>
      ({ harts, memory }: Machine): boolean => {
        memory.i32[harts[1]!.tlb.first.dtlbBase >> 2] = value;
        return true;
      };
    expect(() => runWith(set(0x1000))).toThrow(/a cache of another hart/);
    runWith(set(-1));
  });

  it('writes to device memory that nobody has is found', () => {
    const evil = ({ memory }: Machine): boolean => ++memory.u8[memory.firstPfn * PAGE_SIZE - 1]! > 0;
    expect(() => runWith(evil)).toThrow(/device memory that nobody has was written/);
  });

  it.each([
    ['x5', 10],
    ['mscratch', csrOffset('mscratch') >> 2],
  ])('reads a free frame into %s is found', (name, word) => {
    expect(() => runWith(readsInto(word, 8))).toThrow(`${name} holds a canary`);
  });

  it('reads a byte of a free frame ends otherwise with another canary', () => {
    const other = ~CANARY & (2n ** 64n - 1n);
    const registers = Array.from({ length: 31 }, (_, i) => readsInto((i + 1) * 2, 1));
    expect(runWith(registers[0]!, CANARY)).toBe(runWith(registers[0]!, CANARY));
    // Of the registers, the stream may write some before anybody looks.
    expect(registers.some((evil) => runWith(evil, CANARY) !== runWith(evil, other))).toBe(true);
    expect(runWith(() => true, CANARY)).toBe(runWith(() => true, ~CANARY & (2n ** 64n - 1n)));
  });

  it('copies a free frame into a page of the guest is found', () => {
    const evil = (machine: Machine): boolean => {
      const { memory, host } = machine;
      const free = frameOf(machine, FrameKind.free) * PAGE_SIZE;
      const page = host.frames.kind.findIndex(
        (kind, pfn) => kind === FrameKind.folio && host.frames.mapcount[pfn]! > 0,
      );
      if (free === 0 || page < 0) return false;
      memory.u8.copyWithin(page * PAGE_SIZE + 4000, free, free + 8);
      return false;
    };
    expect(() => runWith(evil)).toThrow(/a page of the guest holds a canary/);
  });
});
