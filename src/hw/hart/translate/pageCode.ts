// Page code: the decoded instructions of one page, as the translator reads them.
//
// Made by translator.ts for a page at a virtual address; region.ts fills it by asking, the later stages read `words`. It
// is codeCache.ts's decoded page but for the last halfword: an instruction that crosses into the next page is decoded
// here, where that page is known, and a region that holds it checks at run time that it is still mapped there.
//
// A page is translated in several units, which follow each other closely. What a look at all of it found out (loops.ts) is
// kept from one to the next: to find it takes as long as to translate a hundred instructions.
//
// Invariant: a word that was asked for is what the frames' bytes decode to now; translator.ts forgets this when they change.

import { PAGE_SIZE, type Pfn, pfnToHpa } from '../../../units.ts';
import { lengthOf, Op, opOf } from '../../isa/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { type CodeCache, type CodePage, decodePlain, ENTRY_MARK } from '../codeCache.ts';
import { OP_CROSSING } from '../pseudoOps.ts';
import { isCsrAccess } from './csrAccess.ts';
import { PageLoops } from './loops.ts';
import type { NextPage } from './regionCode.ts';

const LAST_HALFWORD = PAGE_SIZE - 2;

/** All of RV64IMA, the fences, and some CSR accesses; other privileged instructions are the interpreter's. */
export const isTranslated = (word: number, imm: number): boolean =>
  (opOf(word) >= Op.lui && opOf(word) <= Op.fence_i) || isCsrAccess(word, imm);

/** Whether an instruction that at() answered needs the next page too. */
export const crossesPage = (word: number, offset: number): boolean =>
  offset === LAST_HALFWORD && lengthOf(word) === 4;

/** The page after one, as the fetch TLB maps it now. */
export interface NextCodePage extends NextPage {
  readonly pfn: Pfn;
}

export class PageCode {
  /** Address of the first byte, canonical. */
  readonly va: number;
  /** Null when the fetch TLB does not know the next page. */
  readonly next: NextCodePage | null;
  /** words[o] and words[o + 1] are the instruction at byte offset o (isa/decode.ts), once at(o) was asked. */
  readonly words = new Int32Array(PAGE_SIZE);
  private ownKnown: readonly number[] = [];
  private arrivedAt = 0;
  private ownLoops: PageLoops | null = null;
  private readonly memory: PhysicalMemory;
  private readonly cache: CodeCache;
  private readonly page: CodePage;

  constructor(
    memory: PhysicalMemory,
    cache: CodeCache,
    page: CodePage,
    va: number,
    next: NextCodePage | null,
  ) {
    this.va = va;
    this.next = next;
    this.memory = memory;
    this.cache = cache;
    this.page = page;
  }

  get pfn(): Pfn {
    return this.page.pfn;
  }

  /** Whether this is about a page at an address, with another page after it or none. */
  isOf(page: CodePage, va: number, next: NextCodePage | null): boolean {
    const { next: own } = this;
    if (page !== this.page || va !== this.va) return false;
    if (own === null || next === null) return own === next;
    return own.pfn === next.pfn && own.fetchEntry === next.fetchEntry && own.addend === next.addend;
  }

  /** Looks at what is known of the page now: before each unit. */
  renew(): void {
    const known = decodedIn(this.page);
    let arrivedAt = 0;
    for (const offset of known) if (this.arrivals(offset) > 0) arrivedAt++;
    if (known.length !== this.ownKnown.length || arrivedAt !== this.arrivedAt) this.ownLoops = null;
    this.ownKnown = known;
    this.arrivedAt = arrivedAt;
  }

  /** Offsets of the instructions that had been decoded, by whomever, at the last renew(); in their order. */
  get known(): readonly number[] {
    return this.ownKnown;
  }

  get loops(): PageLoops {
    this.ownLoops ??= new PageLoops(this);
    return this.ownLoops;
  }

  /** First decoded word of the instruction at an even offset; what isTranslated() denies is the interpreter's. */
  at(offset: number): number {
    const { words } = this;
    if (words[offset] === 0) this.read(offset);
    return words[offset]!;
  }

  /** How often the interpreter came to an instruction by a jalr of this page: a switch, or a return. */
  arrivals(offset: number): number {
    return this.page.arrivals[offset >>> 1]!;
  }

  /** Whether a loop that begins at an offset was written for words, and entered with something else. */
  wasWide(offset: number): boolean {
    return this.page.wide.has(offset);
  }

  private read(offset: number): void {
    const { words } = this.page;
    if (words[offset] === 0) this.cache.decodeAt(this.page, offset);
    this.words[offset] = words[offset]! & ~ENTRY_MARK;
    this.words[offset + 1] = words[offset + 1]!;
    if (opOf(words[offset]!) === OP_CROSSING && this.next !== null) this.readCrossing(this.next.pfn);
  }

  private readCrossing(nextPfn: Pfn): void {
    const { u16 } = this.memory;
    const low = u16[(pfnToHpa(this.page.pfn) + LAST_HALFWORD) >>> 1]!;
    const high = u16[pfnToHpa(nextPfn) >>> 1]!;
    decodePlain(low | (high << 16), this.words, LAST_HALFWORD);
  }
}

function decodedIn({ words }: CodePage): number[] {
  const decoded: number[] = [];
  for (let offset = 0; offset < PAGE_SIZE; offset += 2) if (words[offset] !== 0) decoded.push(offset);
  return decoded;
}
