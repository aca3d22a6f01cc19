// What a running guest can reach of the host's memory, held against what it may: around every slice of Hart.run() all
// of the one WebAssembly.Memory that is not the guest's is compared, byte for byte, with what it was.
//
// A soak guards the harts of a machine with one; it looks between slices, which it may cut as it likes.
//
// Rules: a slice may change the hart's own vCPU block, TLBs and jump cache, revoke entries (to -1) in those of the other
// harts, and set A and D in present entries of shadow and second-stage tables. Host tables, the swap cache's pages, the
// zero page and free frames stay as they are; free frames hold canaries, and no hart and no page of the guest ever does.

import { BLOCK_JUMP_CACHE } from '../../src/hw/hart/block.ts';
import {
  BLOCK_BYTES,
  CSR_SLOTS,
  csrOffset,
  Exit,
  type ExitReason,
  type Hart,
} from '../../src/hw/hart/index.ts';
import { PTE_A, PTE_D, PTE_V } from '../../src/hw/sv39/index.ts';
import { type TlbGeometry, tlbBytes } from '../../src/hw/tlb/index.ts';
import type { Host } from '../../src/mm/index.ts';
import { FrameKind } from '../../src/mm/internals.ts';
import { hex, PAGE_SIZE } from '../../src/units.ts';

/** Where a hart's jump cache lies: a field of its block (block.ts). */
const JUMP_CACHE_WORD = BLOCK_JUMP_CACHE >> 2;

export interface EnclosureOptions {
  readonly host: Host;
  readonly harts: readonly Hart[];
  readonly tlb: TlbGeometry;
  /** Bytes of each hart's jump cache; 0 without a translator. */
  readonly jumpBytes: number;
  /** Fills free frames. */
  readonly canary: bigint;
  /** Instructions until the next look. */
  readonly slice: () => number;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** A range of memory, and what it was before the slice. */
class Watched {
  readonly from: number;
  readonly now: Int32Array;
  readonly old: Int32Array;
  readonly #nowBytes: Buffer;
  readonly #oldBytes: Buffer;

  constructor(memory: Uint8Array, { from, to }: Range) {
    this.from = from;
    this.now = new Int32Array(memory.buffer, from, (to - from) / 4);
    this.old = new Int32Array(this.now.length);
    this.#nowBytes = Buffer.from(memory.buffer, from, to - from);
    this.#oldBytes = Buffer.from(this.old.buffer);
  }

  remember(): void {
    this.old.set(this.now);
  }

  isSame(): boolean {
    return this.#nowBytes.equals(this.#oldBytes);
  }

  /** Addresses of the words that differ. */
  changes(): number[] {
    const { now, old } = this;
    const found: number[] = [];
    for (let i = 0; i < now.length; i++) if (now[i] !== old[i]) found.push(this.from + i * 4);
    return found;
  }
}

/** What a slice may do to a frame. */
const Watch = { guest: 0, fixed: 1, table: 2, free: 3 } as const;
type Watch = (typeof Watch)[keyof typeof Watch];

export class Enclosure {
  /** Slices that were looked at. */
  slices = 0;
  /** Entries of shadow and second-stage tables whose A or D a slice has set. */
  accessedDirty = 0;
  readonly #options: EnclosureOptions;
  /** By pfn. */
  readonly #frames: readonly (Watched | null)[];
  readonly #watch: Uint8Array;
  readonly #canary: Int32Array;
  readonly #canaryBytes: Buffer;
  /** By hart: what no slice of it may change in the device area, and what it may only revoke. */
  readonly #fixed = new Map<Hart, readonly Watched[]>();
  readonly #revocable = new Map<Hart, readonly Watched[]>();
  readonly #unreserved: Watched;

  constructor(options: EnclosureOptions) {
    const { host, harts, canary } = options;
    const { memory } = host;
    this.#options = options;
    const watched = (where: Range): Watched => new Watched(memory.u8, where);
    this.#frames = Array.from({ length: memory.endPfn }, (_, pfn) =>
      pfn < memory.firstPfn ? null : watched(range(pfn * PAGE_SIZE, PAGE_SIZE)),
    );
    this.#watch = new Uint8Array(memory.endPfn);
    this.#canaryBytes = Buffer.from(new BigUint64Array(PAGE_SIZE / 8).fill(canary).buffer);
    this.#canary = new Int32Array(this.#canaryBytes.buffer);
    const devices = harts.map((hart) => this.#rangesOf(hart));
    const end = Math.max(...devices.flat().map(({ to }) => to));
    this.#unreserved = watched({ from: end, to: memory.firstPfn * PAGE_SIZE });
    this.#unreserved.remember();
    harts.forEach((hart, i) => {
      const caches = devices.filter((_, j) => j !== i).flatMap(([_block, ...others]) => others);
      this.#revocable.set(hart, caches.map(watched));
      this.#fixed.set(hart, complement([...devices[i]!, ...caches], end).map(watched));
      this.#guard(hart);
    });
  }

  /** Throws when a part that nobody has asked for was written, or a hart holds a canary. */
  finish(): void {
    expectSame(this.#unreserved, 'device memory that nobody has');
    for (const hart of this.#options.harts) this.#expectNoCanary(hart);
  }

  /** Throws when a page of the guest holds a canary. */
  readonly checkPage = (page: Uint8Array): void => {
    const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
    const at = bytes.indexOf(this.#canaryBytes.subarray(0, 8));
    if (at >= 0) throw new Error(`a page of the guest holds a canary at byte ${at}`);
  };

  /** Block, TLBs and jump cache. */
  #rangesOf(hart: Hart): Range[] {
    const { tlb, jumpBytes } = this.#options;
    const table = Math.ceil((hart.base + BLOCK_BYTES) / 64) * 64;
    const { dtlbBase } = hart.tlb.first;
    const ranges = [range(hart.base, BLOCK_BYTES), range(table, tlbBytes(tlb))];
    if (dtlbBase < table || dtlbBase >= table + tlbBytes(tlb)) throw new Error('the TLB lies elsewhere');
    if (jumpBytes > 0) ranges.push(range(hart.block[JUMP_CACHE_WORD]!, jumpBytes));
    return ranges;
  }

  /** Cuts every run of the hart into slices and looks around each; how a run is cut never changes what it does. */
  #guard(hart: Hart): void {
    const run = hart.run.bind(hart);
    hart.run = (budget) => {
      for (let left = budget; ; ) {
        const size = Math.min(left, this.#options.slice());
        const before = hart.attempted;
        this.#before(hart);
        const reason: ExitReason = run(size);
        this.#after(hart);
        left -= hart.attempted - before;
        if (reason !== Exit.budget || left <= 0) return reason;
      }
    };
  }

  #before(hart: Hart): void {
    for (const each of this.#fixed.get(hart)!) each.remember();
    for (const each of this.#revocable.get(hart)!) each.remember();
    const { memory, frames } = this.#options.host;
    for (let pfn = memory.firstPfn as number; pfn < memory.endPfn; pfn++) {
      const watch = watchOf(frames.kind[pfn]!, frames.mapcount[pfn]!);
      this.#watch[pfn] = watch;
      if (watch === Watch.free) this.#frames[pfn]!.now.set(this.#canary);
      if (watch !== Watch.guest) this.#frames[pfn]!.remember();
    }
  }

  #after(hart: Hart): void {
    this.slices++;
    for (const each of this.#fixed.get(hart)!) expectSame(each, 'memory of the host');
    for (const each of this.#revocable.get(hart)!) expectRevoked(each);
    const { memory } = this.#options.host;
    for (let pfn = memory.firstPfn as number; pfn < memory.endPfn; pfn++) this.#checkFrame(pfn);
    this.#expectNoCanary(hart);
  }

  #checkFrame(pfn: number): void {
    const frame = this.#frames[pfn]!;
    const watch = this.#watch[pfn];
    if (watch === Watch.guest || frame.isSame()) return;
    if (watch === Watch.table) this.#takeAccessedDirty(frame);
    else expectSame(frame, `frame ${hex(pfn)} of kind ${this.#options.host.frames.kind[pfn]}`);
  }

  #takeAccessedDirty(frame: Watched): void {
    for (const at of frame.changes()) {
      const [old, now] = wordsAt(frame, at);
      const isLegal = at % 8 === 0 && (old & PTE_V) !== 0 && now === (old | (now & (PTE_A | PTE_D)));
      if (!isLegal) throw new Error(`a table of the hypervisor: ${describe(frame, at)}`);
      this.accessedDirty++;
    }
  }

  /** In a register or CSR. Who reads less than a doubleword is found by running the same with another canary. */
  #expectNoCanary({ block }: Hart): void {
    const [lo, hi] = [this.#canary[0]!, this.#canary[1]!];
    const isCanary = (at: number): boolean => block[at] === lo && block[at + 1] === hi;
    const csrs = csrOffset(CSR_SLOTS[0]) >> 2;
    for (let i = 0; i < 33; i++) if (isCanary(i * 2)) throw new Error(`x${i} holds a canary`);
    CSR_SLOTS.forEach((name, i) => {
      if (isCanary(csrs + i * 2)) throw new Error(`${name} holds a canary`);
    });
  }
}

const range = (from: number, bytes: number): Range => ({ from, to: from + bytes });

const wordsAt = ({ from, old, now }: Watched, at: number): [number, number] => [
  old[(at - from) >> 2]!,
  now[(at - from) >> 2]!,
];

function describe(watched: Watched, at: number): string {
  const [old, now] = wordsAt(watched, at);
  return `word ${hex(at)} was ${hex(old >>> 0)}, is ${hex(now >>> 0)}`;
}

function expectSame(watched: Watched, what: string): void {
  if (!watched.isSame()) throw new Error(`${what} was written: ${describe(watched, watched.changes()[0]!)}`);
}

/** Entries of another hart's TLBs and jump cache may go, and none may come. */
function expectRevoked(watched: Watched): void {
  if (watched.isSame()) return;
  for (const at of watched.changes()) {
    if (wordsAt(watched, at)[1] !== -1) throw new Error(`a cache of another hart: ${describe(watched, at)}`);
  }
}

/** An anonymous page that nobody maps is in the swap cache, or on its way. */
function watchOf(kind: number, mapcount: number): Watch {
  if (kind === FrameKind.free) return Watch.free;
  if (kind === FrameKind.shadow) return Watch.table;
  return kind === FrameKind.folio && mapcount > 0 ? Watch.guest : Watch.fixed;
}

/** What of [0, end) is in none of the ranges. */
function complement(ranges: readonly Range[], end: number): Range[] {
  const gaps: Range[] = [];
  let at = 0;
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    if (from > at) gaps.push({ from: at, to: from });
    at = Math.max(at, to);
  }
  if (end > at) gaps.push({ from: at, to: end });
  return gaps;
}
