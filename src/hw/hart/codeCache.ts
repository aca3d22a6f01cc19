// The code cache: decoded pages of instructions, by host frame, and the seam to the translator.
//
// One per host, shared by its harts. The interpreter fills and runs decoded pages; the memory's hook invalidates exactly
// the instructions that a write overlaps; a translator, when one is attached, is told of hot places and of every
// invalidation, and marks its entry points in the pages so that the interpreter hands over at the next jump to one.
//
// Invariants: a decoded word is what the frame's bytes decode to now. What is cached, hot or translated never changes a
// result. At most `maxPages` pages are kept (28 KiB each), the oldest is dropped first.

import { bug, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import { decode, opOf, rdOf } from '../isa/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { Hart } from './hart.ts';
import { isPureOp, NOP_WORD, OP_CROSSING, OP_REFETCH } from './pseudoOps.ts';

/** Bit 31 of a decoded first word: translated code can be entered at this instruction. */
export const ENTRY_MARK = 0x80000000 | 0;

/**
 * The decoded form of one frame: words[offset], words[offset + 1] is the instruction at even byte `offset`
 * (isa/decode.ts); word 0 is 0 while not decoded. HINTs and other writes to x0 without effect are a fence here.
 */
export class CodePage {
  readonly pfn: Pfn;
  readonly words = new Int32Array(PAGE_SIZE + 2);
  /** By halfword: how often the interpreter jumped backwards to it or entered the page at it. */
  readonly heat = new Uint16Array(PAGE_SIZE / 2);
  /** By halfword: how often, modulo 2^16, the interpreter came to it by a jalr of the page that does not link. */
  readonly arrivals = new Uint16Array(PAGE_SIZE / 2);
  /** By halfword: how often, modulo 2^16, translated code left there for a miss of the data TLB that was refilled. */
  readonly misses = new Uint16Array(PAGE_SIZE / 2);
  /** Offsets of the loops whose translation shall not take registers for sign-extended words. */
  readonly wide = new Set<number>();

  constructor(pfn: Pfn) {
    this.pfn = pfn;
    this.words[PAGE_SIZE] = OP_REFETCH;
  }
}

/** What the harts need of a translator; translated code is shared by all harts of the host. */
export interface Translator {
  /** Heat at which noteHot() is called, 1..65535. */
  readonly hotAt: number;
  /** A hart of the host was built; its block is there, nothing has run. */
  attach(hart: Hart): void;
  /**
   * Runs translated code from the state in hart's block while there is some and the budget lasts, and leaves a precise
   * state there. Answers whether to go on in the interpreter at pc, which makes progress by at least one instruction; else
   * interrupts must be looked at first.
   */
  enter(hart: Hart): boolean;
  /** The instruction at `offset` of the page reached the heat. */
  noteHot(page: CodePage, offset: number): void;
  /** The page is decoded anew after it was dropped: set its entry marks again. */
  pageMade(page: CodePage): void;
  /** Bytes [offset, offset + length) of the frame changed: what was translated from them must not run again. */
  invalidate(pfn: Pfn, offset: number, length: number): void;
}

export class CodeCache {
  translator: Translator | null = null;
  private readonly memory: PhysicalMemory;
  private readonly maxPages: number;
  /** By pfn; null: none. */
  private readonly pages: (CodePage | null)[];
  /** Frames with a page, oldest first. */
  private readonly order: Pfn[] = [];

  constructor(memory: PhysicalMemory, maxPages = 2048) {
    this.memory = memory;
    this.maxPages = maxPages;
    this.pages = new Array<CodePage | null>(memory.endPfn).fill(null);
    memory.onCodeWrite = (pfn, offset, length) => this.invalidate(pfn, offset, length);
  }

  /** The decoded page of a frame that a fetch entry maps. */
  page(pfn: Pfn): CodePage {
    return this.pages[pfn] ?? this.make(pfn);
  }

  /** The decoded page, if there is one. */
  peek(pfn: Pfn): CodePage | null {
    return this.pages[pfn] ?? null;
  }

  /** Decodes the instruction at an even `offset` into the page's words; its entry mark, if any, is lost. */
  decodeAt(page: CodePage, offset: number): void {
    const at = pfnToHpa(page.pfn) + offset;
    const half = this.memory.u16[at >>> 1]!;
    if ((half & 3) !== 3) {
      decodePlain(half, page.words, offset);
    } else if (offset === PAGE_SIZE - 2) {
      page.words[offset] = OP_CROSSING;
    } else {
      decodePlain(half | (this.memory.u16[(at >>> 1) + 1]! << 16), page.words, offset);
    }
  }

  private make(pfn: Pfn): CodePage {
    if (!this.memory.isFrame(pfn)) bug('codeCache: not a frame', { pfn });
    if (this.order.length >= this.maxPages) this.pages[this.order.shift()!] = null;
    const page = new CodePage(pfn);
    this.pages[pfn] = page;
    this.order.push(pfn);
    this.translator?.pageMade(page);
    return page;
  }

  private invalidate(pfn: Pfn, offset: number, length: number): void {
    const words = this.pages[pfn]?.words;
    if (words !== undefined) {
      // A 4-byte instruction may start one halfword before the write.
      const start = Math.max(0, (offset & ~1) - 2);
      words.fill(0, start, Math.min(PAGE_SIZE, (offset + length + 1) & ~1));
    }
    this.translator?.invalidate(pfn, offset, length);
  }
}

/** Decodes, and makes an instruction whose only effect would be to write x0 a fence. */
export function decodePlain(word: number, out: Int32Array, at: number): void {
  decode(word, out, at);
  const w = out[at]!;
  if (rdOf(w) === 0 && isPureOp(opOf(w))) out[at] = (w & LENGTH_FIELD) | NOP_WORD;
}

const LENGTH_FIELD = 7 << 23;
