// The translator: turns hot guest code into WebAssembly, and runs it.
//
// One per host, shared by its harts (translated code takes the vCPU block as a parameter). codeCache.ts holds it: the
// interpreter reports hot entry points, which are marked in the decoded page; hart.run() comes to enter() there. A region
// is made when it is first entered, together with the page's other marked entries: emitter.ts writes the code,
// regionCache.ts keeps and links it, dispatcher.ts runs it.
//
// Invariant: registers, memory, budget, TLB fills and exits are the interpreter's, whatever was translated when.

import { fromWords, hpa, hpaToPfn, PAGE_SIZE, type Pfn, pageAlignDown, pageOffset } from '../../../units.ts';
import { opOf } from '../../isa/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import {
  DEFAULT_TLB,
  DTLB_ENTRY_BYTES,
  ITLB_ADDEND,
  ITLB_ENTRY_BYTES,
  type TlbGeometry,
} from '../../tlb/index.ts';
import { BLOCK_BUDGET, BLOCK_ITLB, BLOCK_JUMP_CACHE, BLOCK_PC, Exit, type ExitReason } from '../block.ts';
import { type CodeCache, type CodePage, ENTRY_MARK, type Translator } from '../codeCache.ts';
import type { Hart } from '../hart.ts';
import { encodeDispatcher, JUMP_ENTRY_BYTES, REGION_TYPE } from './dispatcher.ts';
import { type RegionFunction, translateRegion } from './emitter.ts';
import { MAX_UNCHECKED } from './flow.ts';
import { instructionAt, isTranslated } from './region.ts';
import { Coverage, type Region, RegionCache, type RegionLimits } from './regionCache.ts';
import { Leave } from './regionCode.ts';
import { Restraint } from './restraint.ts';
import { encodeModule } from './wasm.ts';

export interface TranslatorOptions {
  /** How often the interpreter enters code before it is translated: 1..65535. */
  readonly hotAt: number;
  readonly limits: RegionLimits;
  /** Of every hart of the host. */
  readonly tlb: TlbGeometry;
}

/** 100 entries pay for a translation; V8 slows down with many thousand modules. */
export const DEFAULT_TRANSLATOR: TranslatorOptions = {
  hotAt: 100,
  limits: { units: 1024, regions: 4096, jumpEntries: 4096 },
  tlb: DEFAULT_TLB,
};

/** Device-area bytes that each hart takes beyond its own. */
export const jumpCacheBytes = ({ limits }: TranslatorOptions = DEFAULT_TRANSLATOR): number =>
  (limits.jumpEntries + 1) * JUMP_ENTRY_BYTES;

const WASM_PAGE = 65536;
/** Regions of one module. */
const BATCH = 16;
/** An entry this much cooler than the one that is translated is translated with it. */
const WARM_SHIFT = 3;

export class WasmTranslator implements Translator {
  readonly hotAt: number;
  private readonly memory: PhysicalMemory;
  private readonly cache: CodeCache;
  private readonly options: TranslatorOptions;
  private readonly regions: RegionCache;
  private readonly restraint = new Restraint();
  private readonly dispatch: (cpu: number) => number;

  /** Joins the code cache of a host that has no hart yet. */
  constructor(memory: PhysicalMemory, cache: CodeCache, options = DEFAULT_TRANSLATOR) {
    this.memory = memory;
    this.cache = cache;
    this.options = options;
    this.hotAt = options.hotAt;
    const { limits, tlb } = options;
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: limits.regions });
    this.regions = new RegionCache(memory, table, limits);
    const bytes = encodeDispatcher(this.memoryPages(), tlb.itlbEntries, limits.jumpEntries);
    const imports = { e: { m: memory.wasm, t: table } };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
    this.dispatch = exports.run as (cpu: number) => number;
    cache.translator = this;
  }

  attach(hart: Hart): void {
    const base = this.memory.reserve(this.options.limits.jumpEntries * JUMP_ENTRY_BYTES, JUMP_ENTRY_BYTES);
    hart.block[BLOCK_JUMP_CACHE >> 2] = base;
    this.regions.addJumpCache(base);
  }

  enter(hart: Hart): ExitReason {
    if (hart.block[BLOCK_BUDGET >> 2]! < MAX_UNCHECKED) return Exit.none;
    while (this.dispatch(hart.base) === Leave.unlinked && this.linkNext(hart.block)) {}
    return Exit.none;
  }

  noteHot(page: CodePage, offset: number): void {
    const word = instructionAt(this.cache, page, offset);
    if (!isTranslated(opOf(word)) || this.restraint.refuses(page.pfn)) page.heat[offset >>> 1] = 0;
    else page.words[offset] = word | ENTRY_MARK;
  }

  pageMade(page: CodePage): void {
    for (const pc of this.regions.entries(page.pfn)) this.mark(page, pageOffset(pc));
  }

  invalidate(pfn: Pfn, offset: number, length: number): void {
    const dropped = this.regions.invalidate(pfn, offset, length);
    if (length === PAGE_SIZE) this.restraint.forget(pfn);
    else if (dropped) this.restraint.invalidated(pfn);
    const page = this.cache.peek(pfn);
    if (page === null) return;
    if (dropped && this.restraint.isRestrained(pfn)) this.cool(page);
    else page.heat.fill(0, Math.max(0, (offset >>> 1) - 1), (offset + length + 1) >>> 1);
  }

  /** Lets the dispatcher find the region at the block's pc, which has a fetch TLB entry; false: there is none. */
  private linkNext(block: Int32Array): boolean {
    const { i32 } = this.memory;
    const lo = block[BLOCK_PC >> 2]!;
    const pc = fromWords(lo, block[(BLOCK_PC >> 2) + 1]!);
    const fetchEntry = ((lo >>> 12) & (this.options.tlb.itlbEntries - 1)) * ITLB_ENTRY_BYTES;
    const addend = i32[(block[BLOCK_ITLB >> 2]! + fetchEntry + ITLB_ADDEND) >>> 2]!;
    const at = hpa((lo + addend) >>> 0);
    const pfn = hpaToPfn(at);
    const region = this.regions.find(pfn, pc) ?? this.regionAt(this.cache.page(pfn), pc);
    if (region === undefined) return false;
    this.regions.link(block[BLOCK_JUMP_CACHE >> 2]!, region, at);
    return true;
  }

  /** Counts that code came to `pc`; translates it once it is marked, with what else of the page is marked or warm. */
  private regionAt(page: CodePage, pc: number): Region | undefined {
    const offset = pageOffset(pc);
    if (page.words[offset]! >= 0 && ++page.heat[offset >>> 1]! === this.hotAt) this.noteHot(page, offset);
    if (page.words[offset]! >= 0) return undefined;
    const pageVa = pageAlignDown(pc);
    const entries = [offset];
    for (let other = 0; other < PAGE_SIZE && entries.length < BATCH; other += 2) {
      if (other === offset || !this.isWarm(page, other)) continue;
      if (this.regions.find(page.pfn, pageVa + other) !== undefined) continue;
      this.mark(page, other);
      entries.push(other);
    }
    this.translate(page, pageVa, entries);
    return this.regions.find(page.pfn, pc);
  }

  private isWarm(page: CodePage, offset: number): boolean {
    if (page.words[offset]! < 0) return true;
    if (page.heat[offset >>> 1]! <= this.hotAt >>> WARM_SHIFT) return false;
    return isTranslated(opOf(instructionAt(this.cache, page, offset)));
  }

  private mark(page: CodePage, offset: number): void {
    page.words[offset] = instructionAt(this.cache, page, offset) | ENTRY_MARK;
  }

  private translate(page: CodePage, pageVa: number, entries: readonly number[]): void {
    const tlbMask = (this.options.tlb.dtlbEntries - 1) * DTLB_ENTRY_BYTES;
    const unit = { pageVa, entries, tlbMask };
    const made = entries.map((entry) => translateRegion(this.cache, page, unit, entry));
    const { exports } = this.instantiate(made);
    const functions = new Map(
      entries.map((entry, index) => [pageVa + entry, exports[index] as CallableFunction]),
    );
    const coverage = new Coverage();
    for (const { blocks } of made) {
      for (const block of blocks) coverage.add(block.start, block.word === 0 ? block.last : block.next);
    }
    this.regions.add(page.pfn, coverage, functions);
  }

  private instantiate(made: readonly RegionFunction[]): WebAssembly.Instance {
    const bytes = encodeModule({
      types: [REGION_TYPE],
      memoryPages: this.memoryPages(),
      functions: made.map(({ code }, index) => ({
        type: 0,
        locals: code.locals,
        body: code.code,
        export: String(index),
      })),
    });
    return new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: this.memory.wasm } });
  }

  /** Makes every entry of a page get hot anew. */
  private cool(page: CodePage): void {
    page.heat.fill(0);
    for (let offset = 0; offset < PAGE_SIZE; offset += 2) page.words[offset]! &= ~ENTRY_MARK;
  }

  private memoryPages(): number {
    return this.memory.u8.length / WASM_PAGE;
  }
}
