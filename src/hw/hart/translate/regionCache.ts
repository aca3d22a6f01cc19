// The region cache: which translated regions exist, how they are linked, and when they must go.
//
// Owned by translator.ts. A region is known by its frame and the address of its first instruction; it is linked by a
// slot of the dispatcher's table and, for each vCPU that entered it from there, an entry of that vCPU's jump cache.
// Regions of one WebAssembly module are a unit: they call each other, so they go together. An lru-cache bounds them;
// its dispose unlinks.
//
// Invariants: a jump-cache entry names a slot only while its region is linked there, so no stale region can be called;
// the entry's place follows from pc alone, so that unlinking looks at one entry per vCPU. A unit falls when a byte of
// one of its instructions is written, or when it is evicted.

import { LRUCache } from 'lru-cache';
import { bug, hiWord, loWord, type Pfn } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { JUMP_ENTRY_BYTES, JUMP_HPA, JUMP_PC, JUMP_SLOT } from './dispatcher.ts';
import { MAX_UNIT_INSTRUCTIONS, MAX_UNIT_REGIONS, type TranslatedUnit } from './unit.ts';

export interface Region {
  /** Address of the first instruction, canonical. */
  readonly pc: number;
  readonly slot: number;
  readonly unit: Unit;
}

interface FrameRegions {
  /** Those of which an instruction lies in the frame, if only its second half. */
  readonly units: Set<Unit>;
  /** By address. */
  readonly regions: Map<number, Region>;
}

interface Unit extends TranslatedUnit {
  readonly regions: readonly Region[];
}

/** Bytes that an instruction can have in the page after its own. */
const CROSSING_BYTES = 2;

export interface RegionLimits {
  /** Guest instructions whose translation is kept, each as often as it is in a region: at least two units' worth. */
  readonly instructions: number;
  /** WebAssembly modules that are kept. */
  readonly units: number;
  /** Regions that are kept, and slots of the table: at least MAX_UNIT_REGIONS. */
  readonly regions: number;
  /** Entries of a vCPU's jump cache: a power of two. */
  readonly jumpEntries: number;
}

export class RegionCache {
  private readonly memory: PhysicalMemory;
  private readonly table: WebAssembly.Table;
  private readonly jumpEntries: number;
  private readonly jumpCaches: number[] = [];
  private readonly freeSlots: number[];
  private readonly byFrame = new Map<Pfn, FrameRegions>();
  private readonly units: LRUCache<Unit, Unit>;

  constructor(memory: PhysicalMemory, table: WebAssembly.Table, limits: RegionLimits) {
    if (limits.regions < MAX_UNIT_REGIONS || limits.instructions < 2 * MAX_UNIT_INSTRUCTIONS) {
      throw new RangeError('the cache of translated code is too small for one unit');
    }
    this.memory = memory;
    this.table = table;
    this.jumpEntries = limits.jumpEntries;
    this.freeSlots = Array.from({ length: limits.regions }, (_, slot) => slot);
    this.units = new LRUCache<Unit, Unit>({
      max: limits.units,
      maxSize: limits.instructions,
      sizeCalculation: (unit) => unit.instructions,
      dispose: (unit) => this.unlink(unit),
    });
  }

  /** Adds a vCPU's jump cache, at a host address, and empties it. */
  addJumpCache(base: number): void {
    this.jumpCaches.push(base);
    this.clear(base, this.jumpEntries);
  }

  find(pfn: Pfn, pc: number): Region | undefined {
    return this.byFrame.get(pfn)?.regions.get(pc);
  }

  /** Addresses at which regions of a frame start. */
  entries(pfn: Pfn): Iterable<number> {
    return this.byFrame.get(pfn)?.regions.keys() ?? [];
  }

  /** Adds regions, none of which exists already; evicts others when there are too many. */
  add(translated: TranslatedUnit): void {
    const { pfn, nextPfn, functions } = translated;
    this.makeRoom(functions.size);
    const regions: Region[] = [];
    const unit: Unit = { ...translated, regions };
    const frame = this.frameOf(pfn);
    frame.units.add(unit);
    if (nextPfn !== null) this.frameOf(nextPfn).units.add(unit);
    for (const [pc, run] of functions) {
      const slot = this.freeSlots.pop()!;
      const region = { pc, slot, unit };
      this.table.set(slot, run);
      frame.regions.set(pc, region);
      regions.push(region);
    }
    this.units.set(unit, unit);
  }

  /** Guest instructions that a frame's regions translate, each as often as it is in one. */
  instructions(pfn: Pfn): number {
    let sum = 0;
    for (const unit of this.byFrame.get(pfn)?.units ?? []) sum += unit.instructions;
    return sum;
  }

  /** Lets a vCPU's dispatcher find a region; `hpa` is where its first instruction lies. */
  link(jumpCache: number, region: Region, hpa: number): void {
    const { i32 } = this.memory;
    const at = this.entryOf(jumpCache, region.pc);
    i32[(at + JUMP_PC) >>> 2] = loWord(region.pc);
    i32[(at + JUMP_PC + 4) >>> 2] = hiWord(region.pc);
    i32[(at + JUMP_HPA) >>> 2] = hpa;
    i32[(at + JUMP_SLOT) >>> 2] = region.slot;
    this.units.get(region.unit);
  }

  /** Drops the units with an instruction in the bytes [offset, offset + length) of a frame; whether there were any. */
  invalidate(pfn: Pfn, offset: number, length: number): boolean {
    const frame = this.byFrame.get(pfn);
    if (frame === undefined) return false;
    let dropped = false;
    for (const unit of frame.units) {
      const inOwn = unit.pfn === pfn && unit.coverage.overlaps(offset, length);
      const inNext = unit.nextPfn === pfn && offset < CROSSING_BYTES;
      if (!inOwn && !inNext) continue;
      this.units.delete(unit);
      dropped = true;
    }
    return dropped;
  }

  /**
   * Drops the units in which an access at an offset of a frame does not refill the TLB in place; whether there are any.
   */
  dropWithoutRefill(pfn: Pfn, access: number): boolean {
    let dropped = false;
    for (const unit of this.byFrame.get(pfn)?.units ?? []) {
      if (unit.pfn !== pfn || !unit.coverage.overlaps(access, 2) || unit.refills.has(access)) continue;
      this.units.delete(unit);
      dropped = true;
    }
    return dropped;
  }

  dropWithHubs(): void {
    for (const unit of [...this.units.values()]) if (unit.hasHubs) this.units.delete(unit);
  }

  /** Drops the units in which a computed jump at one offset of a frame is not expected to lead to another. */
  dropSurprised(pfn: Pfn, jump: number, target: number): void {
    for (const unit of this.surprised(pfn, jump, target)) this.units.delete(unit);
  }

  /** Guest instructions of the units that dropSurprised() would drop. */
  costOfSurprise(pfn: Pfn, jump: number, target: number): number {
    let sum = 0;
    for (const unit of this.surprised(pfn, jump, target)) sum += unit.instructions;
    return sum;
  }

  private *surprised(pfn: Pfn, jump: number, target: number): Generator<Unit> {
    for (const unit of this.byFrame.get(pfn)?.units ?? []) {
      const expects = unit.pfn !== pfn || !unit.coverage.overlaps(jump, 2) || unit.guesses.has(target);
      if (!expects) yield unit;
    }
  }

  private makeRoom(regions: number): void {
    while (this.freeSlots.length < regions) {
      if (this.units.pop() === undefined) bug('translator: a unit has more regions than there are slots');
    }
  }

  private unlink(unit: Unit): void {
    const frame = this.byFrame.get(unit.pfn)!;
    for (const { pc, slot } of unit.regions) {
      for (const jumpCache of this.jumpCaches) {
        const at = this.entryOf(jumpCache, pc);
        if (this.memory.i32[(at + JUMP_SLOT) >>> 2] === slot) this.clear(at);
      }
      this.table.set(slot, null);
      this.freeSlots.push(slot);
      frame.regions.delete(pc);
    }
    this.forget(unit, unit.pfn);
    if (unit.nextPfn !== null) this.forget(unit, unit.nextPfn);
  }

  private forget(unit: Unit, pfn: Pfn): void {
    const frame = this.byFrame.get(pfn);
    frame?.units.delete(unit);
    if (frame?.units.size === 0) this.byFrame.delete(pfn);
  }

  private frameOf(pfn: Pfn): FrameRegions {
    const frame = this.byFrame.get(pfn) ?? { units: new Set<Unit>(), regions: new Map<number, Region>() };
    this.byFrame.set(pfn, frame);
    return frame;
  }

  private entryOf(jumpCache: number, pc: number): number {
    return jumpCache + ((loWord(pc) >>> 1) & (this.jumpEntries - 1)) * JUMP_ENTRY_BYTES;
  }

  /** No pc is odd, so that an entry with pc -1 matches none. */
  private clear(at: number, entries = 1): void {
    this.memory.i32.fill(-1, at >>> 2, (at + entries * JUMP_ENTRY_BYTES) >>> 2);
  }
}
