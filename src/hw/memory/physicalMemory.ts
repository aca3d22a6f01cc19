// Physical memory: the one WebAssembly.Memory that is a host's physical memory, and the per-frame facts hardware needs.
//
// Layout, by byte address (an Hpa is a byte address here): page 0, never used; the device area (vCPU blocks, TLBs,
// jump caches), handed out by reserve(); then the frames [firstPfn, endPfn); then the facts of frames, a byte for
// each pfn, which translated code reads and writes too. mm decides who owns a frame, hw/tlb points translations at
// it, translated code works on it directly.
//
// Invariants: initial size = maximum size, so the views never detach. Every TypeScript write into a frame passes through
// touch(), which tells the code cache when the frame has been fetched from; the one exception is a store that hits a
// write tag of a first-level TLB, which never exists for such a frame. An access stays within one frame.

import { bug, type Hpa, hpaToPfn, PAGE_SHIFT, PAGE_SIZE, type Pfn } from '../../units.ts';

const WASM_PAGE = 65536;
const WASM_PAGES_MAX = 65536;

/** Byte that fills a freed frame (Linux POISON_FREE): as a page-table entry it has reserved bits set, so it faults. */
export const POISON_BYTE = 0x6b;

export interface PhysicalMemoryOptions {
  /** Frames, at least 1; with the device area at most 4 GiB. */
  readonly frames: number;
  /** Bytes that reserve() can hand out, alignment gaps included. */
  readonly deviceBytes: number;
}

/** Facts of a frame: bits of its byte at factsBase + pfn. */
export const Fact = {
  /** Guests may see it: mm says so. */
  reachable: 1,
  /** A fetch TLB entry was filled for it, since releaseCode(). */
  hasCode: 2,
  /** Some write tag of a TLB may map it (hw/tlb's). */
  mayBeWritten: 4,
} as const;
export type FactBit = (typeof Fact)[keyof typeof Fact];

/** Told of a write to, or the release of, a frame that instructions were fetched from: [offset, offset + length). */
export type CodeWriteHook = (pfn: Pfn, offset: number, length: number) => void;

export class PhysicalMemory {
  readonly wasm: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly dv: DataView;
  /** Frames are [firstPfn, endPfn). */
  readonly firstPfn: Pfn;
  readonly endPfn: Pfn;
  /** Where facts begin, by pfn from 0 on. */
  readonly factsBase: number;
  private readonly facts: Uint8Array;
  /** By pfn: changes whenever code of the frame may have changed. */
  readonly codeGeneration: Uint32Array;
  /** Set by the code cache of the host's harts. */
  onCodeWrite: CodeWriteHook = () => {};
  private nextReserved = PAGE_SIZE;

  /** Throws RangeError when the geometry exceeds what one WebAssembly.Memory can hold. */
  constructor({ frames, deviceBytes }: PhysicalMemoryOptions) {
    const firstPfn = 1 + Math.ceil(deviceBytes / PAGE_SIZE);
    const endPfn = firstPfn + frames;
    const wasmPages = Math.ceil((endPfn * (PAGE_SIZE + 1)) / WASM_PAGE);
    if (!(frames >= 1 && deviceBytes >= 0 && wasmPages <= WASM_PAGES_MAX)) {
      throw new RangeError(
        `physical memory of ${frames} frames and ${deviceBytes} device bytes exceeds 4 GiB`,
      );
    }
    this.wasm = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
    const buffer = this.wasm.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.dv = new DataView(buffer);
    this.firstPfn = firstPfn as Pfn;
    this.endPfn = endPfn as Pfn;
    this.factsBase = endPfn * PAGE_SIZE;
    this.facts = this.u8.subarray(this.factsBase, this.factsBase + endPfn).fill(Fact.reachable);
    this.codeGeneration = new Uint32Array(this.endPfn);
  }

  /** Takes `bytes` of the device area at an address that is a multiple of `align` (a power of two), zeroed. */
  reserve(bytes: number, align: number): number {
    const address = Math.ceil(this.nextReserved / align) * align;
    const end = address + bytes;
    if (end > this.firstPfn * PAGE_SIZE) bug('memory: the device area is too small', { bytes, align });
    this.nextReserved = end;
    return address;
  }

  isFrame(pfn: number): boolean {
    return pfn >= this.firstPfn && pfn < this.endPfn;
  }

  /** Whether a fact holds for a frame. */
  is(fact: FactBit, pfn: Pfn): boolean {
    return (this.facts[pfn]! & fact) !== 0;
  }

  /** note() of so many frames. */
  noteAll(fact: FactBit, first: Pfn, frames: number, holds: boolean): void {
    const { facts } = this;
    const bits = holds ? fact : 0;
    for (let pfn: number = first; pfn < first + frames; pfn++) facts[pfn] = (facts[pfn]! & ~fact) | bits;
  }

  note(fact: FactBit, pfn: Pfn, holds: boolean): void {
    const others = this.facts[pfn]! & ~fact;
    this.facts[pfn] = holds ? others | fact : others;
  }

  read8(at: Hpa): number {
    return this.u8[at]!;
  }

  read16(at: Hpa): number {
    return this.dv.getUint16(at, true);
  }

  /** Signed; any alignment within a frame. */
  read32(at: Hpa): number {
    return this.dv.getInt32(at, true);
  }

  /** The frame's `length` bytes at `at`, as a view: read it at once, write it never. */
  readBytes(at: Hpa, length: number): Uint8Array {
    this.assertWithinFrame(at, length);
    return this.u8.subarray(at, at + length);
  }

  write8(at: Hpa, value: number): void {
    this.touch(at, 1);
    this.u8[at] = value;
  }

  write16(at: Hpa, value: number): void {
    this.touch(at, 2);
    this.dv.setUint16(at, value, true);
  }

  write32(at: Hpa, value: number): void {
    this.touch(at, 4);
    this.dv.setInt32(at, value, true);
  }

  write64(at: Hpa, lo: number, hi: number): void {
    this.touch(at, 8);
    this.dv.setInt32(at, lo, true);
    this.dv.setInt32(at + 4, hi, true);
  }

  writeBytes(at: Hpa, source: Uint8Array): void {
    this.touch(at, source.length);
    this.u8.set(source, at);
  }

  /** One frame, or so many from it on. */
  zero(pfn: Pfn, frames = 1): void {
    for (let i = 0; i < frames; i++) this.fill((pfn + i) as Pfn, 0);
  }

  poison(pfn: Pfn): void {
    this.fill(pfn, POISON_BYTE);
  }

  copyFrame(destination: Pfn, source: Pfn): void {
    const to = destination * PAGE_SIZE;
    const from = source * PAGE_SIZE;
    this.touch(to as Hpa, PAGE_SIZE);
    this.u8.copyWithin(to, from, from + PAGE_SIZE);
  }

  /** The frame was freed: nothing that was decoded or translated from it may run again. */
  releaseCode(pfn: Pfn): void {
    if (!this.is(Fact.hasCode, pfn)) return;
    this.codeChanged(pfn, 0, PAGE_SIZE);
    this.note(Fact.hasCode, pfn, false);
  }

  private fill(pfn: Pfn, byte: number): void {
    const at = pfn * PAGE_SIZE;
    this.touch(at as Hpa, PAGE_SIZE);
    this.u8.fill(byte, at, at + PAGE_SIZE);
  }

  private touch(at: Hpa, length: number): void {
    this.assertWithinFrame(at, length);
    const frame = hpaToPfn(at);
    if (this.is(Fact.hasCode, frame)) this.codeChanged(frame, at & (PAGE_SIZE - 1), length);
  }

  private codeChanged(frame: Pfn, offset: number, length: number): void {
    this.codeGeneration[frame]!++;
    this.onCodeWrite(frame, offset, length);
  }

  private assertWithinFrame(at: Hpa, length: number): void {
    const frame = at >>> PAGE_SHIFT;
    if (frame < this.firstPfn || frame >= this.endPfn || (at & (PAGE_SIZE - 1)) + length > PAGE_SIZE) {
      bug('memory: access outside a frame', { at, length });
    }
  }
}
