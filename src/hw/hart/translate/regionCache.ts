// The region cache: which translated regions exist, how they are linked, and when they must go.
//
// Owned by translator.ts. A region is known by its frame and the address of its first instruction; it is linked by a
// slot of the dispatcher's table and, for each vCPU that entered it from there, an entry of that vCPU's jump cache.
// Regions of one WebAssembly module are a unit: they call each other, so they go together. An lru-cache bounds units and
// slots; its dispose unlinks.
//
// Invariants: a jump-cache entry names a slot only while its region is linked there, so no stale region can be called;
// the entry's place follows from pc alone, so that unlinking looks at one entry per vCPU. A unit falls when a byte of
// one of its instructions is written, or when it is evicted.

import { LRUCache } from 'lru-cache';
import { bug, hiWord, loWord, PAGE_SIZE, type Pfn } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { JUMP_ENTRY_BYTES, JUMP_HPA, JUMP_PC, JUMP_SLOT } from './dispatcher.ts';

export interface Region {
  /** Address of the first instruction, canonical. */
  readonly pc: number;
  readonly slot: number;
  readonly unit: Unit;
}

interface FrameRegions {
  readonly units: Set<Unit>;
  /** By address. */
  readonly regions: Map<number, Region>;
}

interface Unit {
  readonly pfn: Pfn;
  readonly coverage: Coverage;
  readonly regions: readonly Region[];
}

export interface RegionLimits {
  /** WebAssembly modules that are kept. */
  readonly units: number;
  /** Regions that are kept, and slots of the table. */
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
    this.memory = memory;
    this.table = table;
    this.jumpEntries = limits.jumpEntries;
    this.freeSlots = Array.from({ length: limits.regions }, (_, slot) => slot);
    this.units = new LRUCache<Unit, Unit>({
      max: limits.units,
      maxSize: limits.regions,
      sizeCalculation: (unit) => unit.regions.length,
      dispose: (unit) => this.unlink(unit),
    });
  }

  /** Adds a vCPU's jump cache, at a host address, and empties it. */
  addJumpCache(base: number): void {
    this.jumpCaches.push(base);
    for (let entry = 0; entry < this.jumpEntries; entry++) this.clear(base + entry * JUMP_ENTRY_BYTES);
  }

  find(pfn: Pfn, pc: number): Region | undefined {
    return this.byFrame.get(pfn)?.regions.get(pc);
  }

  /** Addresses at which regions of a frame start. */
  entries(pfn: Pfn): Iterable<number> {
    return this.byFrame.get(pfn)?.regions.keys() ?? [];
  }

  /** Adds a module's regions, by address; evicts others when there are too many. None may exist already. */
  add(pfn: Pfn, coverage: Coverage, functions: ReadonlyMap<number, CallableFunction>): void {
    this.makeRoom(functions.size);
    const regions: Region[] = [];
    const unit: Unit = { pfn, coverage, regions };
    const frame = this.byFrame.get(pfn) ?? { units: new Set<Unit>(), regions: new Map<number, Region>() };
    this.byFrame.set(pfn, frame);
    frame.units.add(unit);
    for (const [pc, run] of functions) {
      const slot = this.freeSlots.pop()!;
      const region = { pc, slot, unit };
      this.table.set(slot, run);
      frame.regions.set(pc, region);
      regions.push(region);
    }
    this.units.set(unit, unit);
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
      if (!unit.coverage.overlaps(offset, length)) continue;
      this.units.delete(unit);
      dropped = true;
    }
    return dropped;
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
    frame.units.delete(unit);
    if (frame.units.size === 0) this.byFrame.delete(unit.pfn);
  }

  private entryOf(jumpCache: number, pc: number): number {
    return jumpCache + ((loWord(pc) >>> 1) & (this.jumpEntries - 1)) * JUMP_ENTRY_BYTES;
  }

  /** No pc is odd, so that an entry with pc -1 matches none. */
  private clear(at: number): void {
    this.memory.i32.fill(-1, at >>> 2, (at + JUMP_ENTRY_BYTES) >>> 2);
  }
}

/** A set of the bytes of a page, in units of two. */
export class Coverage {
  private readonly bits = new Int32Array(PAGE_SIZE / 2 / 32);

  /** Adds the bytes [start, end), both even. */
  add(start: number, end: number): void {
    for (let half = start >>> 1; half * 2 < end; half++) this.bits[half >>> 5]! |= 1 << (half & 31);
  }

  overlaps(offset: number, length: number): boolean {
    const end = offset + length;
    for (let half = offset >>> 1; half * 2 < end; half++) {
      if ((this.bits[half >>> 5]! >>> (half & 31)) & 1) return true;
    }
    return false;
  }
}
