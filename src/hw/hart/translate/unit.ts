// Unit: the regions of one page that are compiled together, as one WebAssembly module.
//
// Called by translator.ts with the hot entry points of a page; regionCache.ts keeps what comes out. Together, since a
// module costs as much as a few dozen instructions, and since the regions of a module can call each other.
//
// Invariant: a unit's code and coverage speak of the same instructions, the one that crosses into the next page included.

import { PAGE_SIZE, type Pfn } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { DTLB_ENTRY_BYTES, pageCachesOffset, type TlbGeometry } from '../../tlb/index.ts';
import { REGION_TYPE } from './dispatcher.ts';
import { emitRegion, planRegion, type RegionPlan } from './emitter.ts';
import { LEAVES } from './flow.ts';
import { encodeModule, type FunctionImport, memoryPages } from './module.ts';
import { crossesPage, isTranslated, type PageCode } from './pageCode.ts';
import { privilegedLeave } from './privileged.ts';
import { REFILL_TYPE } from './refillEntry.ts';
import { codeEnd, End, forks, goesOn } from './region.ts';

export const MAX_UNIT_REGIONS = 16;
/** Instructions after which no more regions join a unit; it has less than twice as many. */
export const MAX_UNIT_INSTRUCTIONS = 4096;

/** What a unit was translated from, and its functions by address. */
export interface TranslatedUnit {
  readonly pfn: Pfn;
  /** The frame in which an instruction ends that begins at the end of the page, or null. */
  readonly nextPfn: Pfn | null;
  /** Of all regions together. */
  readonly instructions: number;
  readonly coverage: Coverage;
  /** Page offsets of the accesses that refill the data TLB in place, as far as the page was known to have them. */
  readonly refills: ReadonlySet<number>;
  /** Page offsets to which computed jumps are expected to lead. */
  readonly guesses: ReadonlySet<number>;
  readonly functions: ReadonlyMap<number, CallableFunction>;
  readonly hasHubs: boolean;
}

/** What the units of a host have in common. */
export interface UnitHost {
  readonly memory: PhysicalMemory;
  readonly tlb: TlbGeometry;
  /** The dispatcher's, of refill.ts. */
  readonly refillLoad: CallableFunction;
  readonly refillStore: CallableFunction;
  /** Whether loops that are entered at several places have hubs now. */
  hubs: boolean;
}

/** As many as REFILL_IMPORTS, for loads and for stores. */
const IMPORTS: readonly FunctionImport[] = [
  { name: 'refillLoad', type: 1 },
  { name: 'refillStore', type: 1 },
];

/** Translates the regions at page offsets, as many as may be one unit; null if the first is not for translation. */
export function translateUnit(
  host: UnitHost,
  page: PageCode,
  entries: Iterable<number>,
  refills: ReadonlySet<number>,
): TranslatedUnit | null {
  const coverage = new Coverage();
  const plans = planUnit(page, entries, coverage, host.hubs);
  if (plans.length === 0) return null;
  const exports = instantiate(host, page, plans, refills);
  return {
    pfn: page.pfn,
    nextPfn: plans.some(crosses) ? page.next!.pfn : null,
    instructions: plans.reduce((sum, plan) => sum + plan.instructions, 0),
    coverage,
    refills,
    guesses: new Set(plans.flatMap(guessesOf)),
    functions: new Map(plans.map((plan, i) => [page.va + plan.entry, exports[i] as CallableFunction])),
    hasHubs: plans.some(hasHubs),
  };
}

/**
 * Adds what it plans to `coverage`. An entry amid a region that is planned is left for later, when code often comes to it
 * from elsewhere, unless a region leaves for it.
 */
function planUnit(
  page: PageCode,
  entries: Iterable<number>,
  coverage: Coverage,
  hubs: boolean,
): RegionPlan[] {
  const plans: RegionPlan[] = [];
  const left = new Set<number>();
  const waiting = new Set<number>();
  let instructions = 0;
  const plan = (entry: number): void => {
    if (plans.length === MAX_UNIT_REGIONS || instructions >= MAX_UNIT_INSTRUCTIONS) return;
    if (!canBegin(page, entry)) return;
    const region = planRegion(page, entry, hubs);
    instructions += region.instructions;
    plans.push(region);
    cover(coverage, region);
    for (const offset of leftFor(region)) left.add(offset);
  };
  for (const entry of entries) {
    if (coverage.overlaps(entry, 2) && !left.has(entry)) waiting.add(entry);
    else plan(entry);
    if (plans.length === 0) break;
  }
  for (const entry of left) if (waiting.has(entry)) plan(entry);
  return plans;
}

/** Where a region goes on outside of itself, as far as its code says. */
function* leftFor({ flow }: RegionPlan): Generator<number> {
  for (const [i, { end, taken, next }] of flow.blocks.entries()) {
    if (end === End.call || (goesOn(end) && flow.taken[i] === LEAVES)) yield taken;
    if ((forks(end) && flow.next[i] === LEAVES) || end === End.interpret) yield next;
  }
}

/** Whether a region can begin at an offset: with what it executes, or leaves for the dispatcher to execute. */
function canBegin(page: PageCode, entry: number): boolean {
  const word = page.at(entry);
  const imm = page.words[entry + 1]!;
  return isTranslated(word, imm) || (privilegedLeave(word, imm) !== null && !crossesPage(word, entry));
}

/** The module's functions, by index. */
function instantiate(
  { memory, tlb, refillLoad, refillStore }: UnitHost,
  page: PageCode,
  plans: readonly RegionPlan[],
  refills: ReadonlySet<number>,
): Readonly<Record<string, unknown>> {
  const frame = {
    pageVa: page.va,
    entries: plans.map((plan) => plan.entry),
    refills,
    pageCaches: pageCachesOffset(tlb),
    tlbMask: (tlb.dtlbEntries - 1) * DTLB_ENTRY_BYTES,
    nextPage: page.next,
  };
  const functions = plans.map((plan, index) => {
    const { code, locals } = emitRegion(plan, frame);
    return { type: 0, locals, body: code, export: String(index) };
  });
  const bytes = encodeModule({
    types: [REGION_TYPE, REFILL_TYPE],
    memoryPages: memoryPages(memory.wasm),
    imports: refills.size > 0 ? IMPORTS : [],
    functions,
  });
  const e = { m: memory.wasm, refillLoad, refillStore };
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { e }).exports;
}

function cover(coverage: Coverage, plan: RegionPlan): void {
  for (const block of plan.flow.blocks) {
    coverage.add(block.start, block.end === End.interpret ? block.next : codeEnd(block));
  }
}

const guessesOf = ({ flow }: RegionPlan): number[] =>
  flow.blocks.filter(({ end }) => end === End.guess).map(({ imm }) => imm);

const hasHubs = ({ flow }: RegionPlan): boolean => flow.blocks.some(({ end }) => end === End.pick);

const crosses = (plan: RegionPlan): boolean => plan.flow.blocks.some((block) => codeEnd(block) > PAGE_SIZE);

/** A set of the bytes of a page, in units of two. */
export class Coverage {
  private readonly bits = new Int32Array(PAGE_SIZE / 2 / 32);

  /** Adds the bytes [start, end), both even, as far as they lie in the page. */
  add(start: number, end: number): void {
    for (let half = start >>> 1; half < Math.min(end, PAGE_SIZE) >>> 1; half++) {
      this.bits[half >>> 5]! |= 1 << (half & 31);
    }
  }

  overlaps(offset: number, length: number): boolean {
    const end = offset + length;
    for (let half = offset >>> 1; half * 2 < end; half++) {
      if ((this.bits[half >>> 5]! >>> (half & 31)) & 1) return true;
    }
    return false;
  }
}
