// The translator: turns hot guest code into WebAssembly, and runs it.
//
// One per host, shared by its harts (translated code takes the vCPU block as a parameter). codeCache.ts holds it: the
// interpreter reports hot entry points, which are marked in the decoded page; hart.run() comes to enter() there. A region
// is made when it is first entered, together with the page's other marked entries: unit.ts translates them,
// regionCache.ts keeps and links them, dispatcher.ts runs them.
//
// Invariant: registers, memory, budget, TLB fills and exits are the interpreter's, whatever was translated when.

import {
  bug,
  fromWords,
  type Hpa,
  hiWord,
  hpa,
  hpaToPfn,
  loWord,
  PAGE_SHIFT,
  PAGE_SIZE,
  type Pfn,
  pageOffset,
} from '../../../units.ts';
import { Fact, type PhysicalMemory } from '../../memory/index.ts';
import { Access, type AccessKind } from '../../sv39/index.ts';
import {
  DEFAULT_TLB,
  DTLB_ENTRY_BYTES,
  ITLB_ADDEND,
  ITLB_ENTRY_BYTES,
  ITLB_TAG,
  type TlbGeometry,
} from '../../tlb/index.ts';
import {
  BLOCK_BUDGET,
  BLOCK_ITLB,
  BLOCK_JUMP_CACHE,
  BLOCK_MISSED,
  BLOCK_PC,
  BLOCK_STRAYED,
} from '../block.ts';
import { type CodeCache, type CodePage, ENTRY_MARK, type Translator } from '../codeCache.ts';
import type { Hart } from '../hart.ts';
import { encodeDispatcher, JUMP_ENTRY_BYTES } from './dispatcher.ts';
import { MAX_UNCHECKED } from './flow.ts';
import { type NextCodePage, PageCode } from './pageCode.ts';
import { REFILL_NAMES } from './refill.ts';
import { type Region, RegionCache, type RegionLimits } from './regionCache.ts';
import { Leave } from './regionCode.ts';
import { Restraint } from './restraint.ts';
import { type TranslatedUnit, translateUnit, type UnitHost } from './unit.ts';

export interface TranslatorOptions {
  /** How often the interpreter enters code before it is translated: 1..65535. */
  readonly hotAt: number;
  /**
   * How many instructions run before loops that are entered at several places do without hubs: a copy for each place
   * takes long to make, and runs half as fast again.
   */
  readonly hubsFor: number;
  readonly limits: RegionLimits;
  /** Of every hart of the host. */
  readonly tlb: TlbGeometry;
}

/** A translation costs what about 150 entries of the code cost the interpreter; V8 dislikes many thousand modules. */
export const DEFAULT_TRANSLATOR: TranslatorOptions = {
  hotAt: 150,
  hubsFor: 30_000_000,
  limits: { instructions: 500_000, units: 1024, regions: 4096, jumpEntries: 4096 },
  tlb: DEFAULT_TLB,
};

/** Device-area bytes that each hart takes beyond its own. */
export const jumpCacheBytes = ({ limits }: TranslatorOptions = DEFAULT_TRANSLATOR): number =>
  (limits.jumpEntries + 1) * JUMP_ENTRY_BYTES;

const PC = BLOCK_PC >> 2;
const ITLB = BLOCK_ITLB >> 2;
const BUDGET = BLOCK_BUDGET >> 2;
const STRAYED = BLOCK_STRAYED >> 2;
const MISSED = BLOCK_MISSED >> 2;
/** Instructions of a frame's regions after which it gets no more: code that is entered everywhere is not worth it. */
const MAX_FRAME_INSTRUCTIONS = 16384;
/** A miss that leaves costs as much as two entries of the interpreter's. */
const MISSES_PER_HEAT = 2;
/** How often a computed jump leads to the interpreter for what the translation of an instruction costs. */
const STRAYS_PER_INSTRUCTION = 2;
/** An entry this much cooler than the one that is translated is translated with it. */
const WARM_SHIFT = 3;

export class WasmTranslator implements Translator {
  readonly hotAt: number;
  /** How often code is left at an access for a miss before it is translated anew. */
  private readonly refillAt: number;
  private readonly memory: PhysicalMemory;
  private readonly cache: CodeCache;
  private readonly options: TranslatorOptions;
  private readonly regions: RegionCache;
  private readonly restraint = new Restraint();
  private readonly dispatch: (cpu: number) => number;
  private readonly units: UnitHost;
  /** Instructions until there shall be no hubs any more. */
  private hubsFor: number;
  /** Of the last unit. */
  private source: PageCode | null = null;

  /** Joins the code cache of a host that has no hart yet. */
  constructor(memory: PhysicalMemory, cache: CodeCache, options = DEFAULT_TRANSLATOR) {
    this.memory = memory;
    this.cache = cache;
    this.options = options;
    this.hotAt = options.hotAt;
    this.refillAt = options.hotAt * MISSES_PER_HEAT;
    this.hubsFor = options.hubsFor;
    const { limits, tlb } = options;
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: limits.regions });
    this.regions = new RegionCache(memory, table, limits);
    const bytes = encodeDispatcher(memory, tlb, limits.jumpEntries);
    const imports = { e: { m: memory.wasm, t: table } };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
    this.dispatch = exports.run as (cpu: number) => number;
    const refill = (access: AccessKind) => exports[REFILL_NAMES[access]] as CallableFunction;
    this.units = {
      memory,
      tlb,
      refillLoad: refill(Access.load),
      refillStore: refill(Access.store),
      hubs: this.hubsFor > 0,
    };
    cache.translator = this;
  }

  attach(hart: Hart): void {
    const { dtlbEntries, itlbEntries } = this.options.tlb;
    const sameData = hart.dtlbMask * 4 === (dtlbEntries - 1) * DTLB_ENTRY_BYTES;
    const sameFetch = hart.itlbMask * 4 === (itlbEntries - 1) * ITLB_ENTRY_BYTES;
    if (!sameData || !sameFetch) bug('translator: a hart whose TLB has another geometry', { id: hart.id });
    const base = this.memory.reserve(this.options.limits.jumpEntries * JUMP_ENTRY_BYTES, JUMP_ENTRY_BYTES);
    hart.block[BLOCK_JUMP_CACHE >> 2] = base;
    this.regions.addJumpCache(base);
  }

  enter(hart: Hart): boolean {
    const { base, block, runBudget } = hart;
    const budget = block[BUDGET]!;
    if (budget < MAX_UNCHECKED) return true;
    let why: number;
    for (;;) {
      why = this.dispatch(base);
      if (why === Leave.refilled) this.learnMiss(block);
      if (why === Leave.wide) this.learnWide(block);
      if (why !== Leave.unlinked || !this.linkNext(block, block[BUDGET] !== runBudget)) break;
    }
    if (this.units.hubs) this.ageHubs(budget - block[BUDGET]!);
    block[STRAYED] = 0;
    block[MISSED] = 0;
    block[MISSED + 1] = 0;
    hart.rejoin(why === Leave.resync);
    return why !== Leave.resync;
  }

  noteHot(page: CodePage, offset: number): void {
    const refused =
      this.restraint.refuses(page.pfn) || this.regions.instructions(page.pfn) > MAX_FRAME_INSTRUCTIONS;
    if (refused) page.heat[offset >>> 1] = 0;
    else this.mark(page, offset);
  }

  pageMade(page: CodePage): void {
    for (const pc of this.regions.entries(page.pfn)) this.mark(page, pageOffset(pc));
  }

  invalidate(pfn: Pfn, offset: number, length: number): void {
    this.source = null;
    const dropped = this.regions.invalidate(pfn, offset, length);
    if (length === PAGE_SIZE) this.restraint.forget(pfn);
    else if (dropped) this.restraint.invalidated(pfn);
    const page = this.cache.peek(pfn);
    if (page === null) return;
    if (dropped && this.restraint.isRestrained(pfn)) this.cool(page);
    else page.heat.fill(0, Math.max(0, (offset >>> 1) - 1), (offset + length + 1) >>> 1);
  }

  /**
   * Lets the dispatcher find the region at the block's pc, which has a fetch TLB entry; false: there is none. `arrived`:
   * code jumped there, or trapped, or went on there, which counts as heat; else a run just begins there.
   */
  private linkNext(block: Int32Array, arrived: boolean): boolean {
    const lo = block[PC]!;
    const pc = fromWords(lo, block[PC + 1]!);
    const at = this.hostOf(block, lo);
    const pfn = hpaToPfn(at);
    const strayed = this.learnJump(block, pfn, lo);
    const region =
      this.regions.find(pfn, pc) ?? this.regionAt(block, this.cache.page(pfn), pc, arrived && !strayed);
    if (region === undefined) return false;
    this.regions.link(block[BLOCK_JUMP_CACHE >> 2]!, region, at);
    return true;
  }

  /**
   * Translates what is marked at `pc`, with what else of the page is marked or warm. Not from a frame that was freed
   * under a stale fetch entry: nobody would tell of writes to it.
   */
  private regionAt(block: Int32Array, page: CodePage, pc: number, arrived: boolean): Region | undefined {
    const offset = pageOffset(pc);
    if (!this.memory.is(Fact.hasCode, page.pfn)) return undefined;
    if (arrived && ++page.heat[offset >>> 1]! === this.hotAt) this.noteHot(page, offset);
    if (page.words[offset]! >= 0) return undefined;
    const source = this.sourceOf(block, page, pc - offset);
    const entries = this.entriesFor(page, source.known, pc);
    const unit = translateUnit(this.units, source, entries, this.refillsOf(page, source.known));
    if (unit === null) {
      this.coolEntry(page, offset);
      return undefined;
    }
    this.regions.add(unit);
    this.coolCovered(page, source.known, unit);
    for (const entry of this.regions.entries(page.pfn)) this.mark(page, pageOffset(entry));
    return this.regions.find(page.pfn, pc);
  }

  private ageHubs(instructions: number): void {
    this.hubsFor -= instructions;
    if (this.hubsFor > 0) return;
    this.units.hubs = false;
    this.regions.dropWithHubs();
  }

  private sourceOf(block: Int32Array, page: CodePage, pageVa: number): PageCode {
    const next = this.nextPageOf(block, pageVa);
    if (!this.source?.isOf(page, pageVa, next)) {
      this.source = new PageCode(this.memory, this.cache, page, pageVa, next);
    }
    this.source.renew();
    return this.source;
  }

  /** The access at the block's pc left for a miss: where that is often so, regions shall refill in place. */
  private learnMiss(block: Int32Array): void {
    const lo = block[PC]!;
    const pfn = hpaToPfn(this.hostOf(block, lo));
    const { misses } = this.cache.page(pfn);
    const offset = pageOffset(lo);
    if (++misses[offset >>> 1]! % this.refillAt === 0) this.regions.dropWithoutRefill(pfn, offset);
  }

  /** The loop at the block's pc was written for words, and is entered with something else: it shall be written for that. */
  private learnWide(block: Int32Array): void {
    const lo = block[PC]!;
    const pfn = hpaToPfn(this.hostOf(block, lo));
    this.cache.page(pfn).wide.add(pageOffset(lo));
    this.regions.invalidate(pfn, pageOffset(lo), 2);
  }

  /** Accesses of a page that miss often, or nearly so, as far as the page is known. */
  private refillsOf({ misses }: CodePage, known: readonly number[]): ReadonlySet<number> {
    const refills = new Set<number>();
    for (const offset of known) {
      if (misses[offset >>> 1]! > this.refillAt >>> WARM_SHIFT) refills.add(offset);
    }
    return refills;
  }

  /** Where the fetch TLB, which has an entry for it, says that the address with this low word is. */
  private hostOf(block: Int32Array, lo: number): Hpa {
    return hpa((lo + this.memory.i32[(block[ITLB]! + this.fetchEntry(lo) + ITLB_ADDEND) >>> 2]!) >>> 0);
  }

  /**
   * A computed jump of the page that led to `lo`, which no region expected, shall be expected to lead there once it
   * did so often enough to pay for what must be translated anew. Until then (true) it is not heat.
   */
  private learnJump(block: Int32Array, pfn: Pfn, lo: number): boolean {
    const jump = block[STRAYED]!;
    block[STRAYED] = 0;
    if (jump === 0 || jump >>> PAGE_SHIFT !== lo >>> PAGE_SHIFT) return false;
    const { arrivals } = this.cache.page(pfn);
    const target = pageOffset(lo);
    const from = pageOffset(jump - 1);
    if (++arrivals[target >>> 1]! <= this.regions.costOfSurprise(pfn, from, target) * STRAYS_PER_INSTRUCTION)
      return true;
    this.regions.dropSurprised(pfn, from, target);
    this.source = null;
    return false;
  }

  /** The entry at `pc`, then what else of its page is known, is marked or warm, and has no region yet. */
  private *entriesFor(page: CodePage, known: readonly number[], pc: number): Generator<number> {
    const entry = pageOffset(pc);
    yield entry;
    for (const other of known) {
      const warm = page.words[other]! < 0 || page.heat[other >>> 1]! > this.hotAt >>> WARM_SHIFT;
      if (!warm || other === entry) continue;
      if (this.regions.find(page.pfn, pc - entry + other) === undefined) yield other;
    }
  }

  /** The page after `pageVa`, where the fetch TLB knows it. */
  private nextPageOf(block: Int32Array, pageVa: number): NextCodePage | null {
    const { i32 } = this.memory;
    const tag = pageVa + PAGE_SIZE;
    const fetchEntry = this.fetchEntry(loWord(tag));
    const at = (block[ITLB]! + fetchEntry) >>> 2;
    if (i32[at + (ITLB_TAG >>> 2)] !== loWord(tag) || i32[at + (ITLB_TAG >>> 2) + 1] !== hiWord(tag))
      return null;
    const addend = i32[at + (ITLB_ADDEND >>> 2)]!;
    const pfn = hpaToPfn(hpa((loWord(tag) + addend) >>> 0));
    return this.memory.is(Fact.hasCode, pfn) ? { pfn, fetchEntry, tag, addend } : null;
  }

  /** Byte offset in the fetch TLB of the entry for an address, given its low word. */
  private fetchEntry(lo: number): number {
    return ((lo >>> 12) & (this.options.tlb.itlbEntries - 1)) * ITLB_ENTRY_BYTES;
  }

  private mark(page: CodePage, offset: number): void {
    if (page.words[offset] === 0) this.cache.decodeAt(page, offset);
    page.words[offset]! |= ENTRY_MARK;
  }

  private coolEntry(page: CodePage, offset: number): void {
    page.words[offset]! &= ~ENTRY_MARK;
    page.heat[offset >>> 1] = 0;
  }

  /** Makes what lies amid the regions of a unit get hot anew: code may seldom come to it from elsewhere now. */
  private coolCovered(page: CodePage, known: readonly number[], { coverage }: TranslatedUnit): void {
    for (const offset of known) {
      if (page.words[offset]! < 0 && coverage.overlaps(offset, 2)) this.coolEntry(page, offset);
    }
  }

  /** Makes every entry of a page get hot anew. */
  private cool(page: CodePage): void {
    for (let offset = 0; offset < PAGE_SIZE; offset += 2) this.coolEntry(page, offset);
  }
}
