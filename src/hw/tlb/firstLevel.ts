// The first-level TLB of one hart: context slots of direct-mapped entries in the device area (layout.ts).
//
// tlb.ts fills and flushes it; the interpreter and translated code read the tables of the current slot. A slot is one
// pair of regimes, for fetches and for data, so an entry is keyed by effective privilege, SUM, MXR, MPRV and address
// space; changing the pair only changes the current slot.
//
// Translated code refills entries itself where a plain walk finds a translation (hw/hart/translate/refill.ts), and goes
// from one context to another (hw/hart/translate/settling.ts); what it needs to know of a context is in the context's
// header.
//
// Invariants: reach() is the only place here that turns a frame into something guests can reach, and refillEntry.ts
// asks the same: is it a frame, used for what guests may see. A bank's entries all belong to its regime. A frame with
// code has no write tag (domain.ts).

import { bug, fromWords, hiWord, loWord, type Pfn, pageAlignDown } from '../../units.ts';
import { Fact, type PhysicalMemory } from '../memory/index.ts';
import { Bank } from './bank.ts';
import type { TlbDomain } from './domain.ts';
import {
  CONTEXT_HEADER_BYTES,
  contextBytes,
  DTLB_ENTRY_BYTES,
  HEADER_LAST_USE,
  HEADER_OF_DATA,
  HEADER_OF_FETCHES,
  INFO_LEVEL,
  INFO_READ,
  INFO_WRITE,
  ITLB_ENTRY_BYTES,
  TLB_HEADER_BYTES,
  type TlbGeometry,
  tlbBytes,
} from './layout.ts';
import type { Regime } from './regime.ts';

/** int32 words, from an entry's first. */
const READ_TAG = 0;
const WRITE_TAG = 2;
const DATA_ADDEND = 4;
const DATA_INFO = 5;
const FETCH_TAG = 0;
const FETCH_ADDEND = 2;
const FETCH_INFO = 3;

interface Slot {
  readonly data: Bank;
  readonly fetch: Bank;
  /** Index into i32 of when it became the current one last. */
  readonly lastUse: number;
}

/** Told of each valid entry: regime, page address, frame, info bits, kind of table. */
export type EntryVisitor = (regime: Regime, page: number, pfn: Pfn, info: number, kind: EntryKind) => void;
export type EntryKind = 'data' | 'fetch' | 'second';

export class FirstLevel {
  private readonly memory: PhysicalMemory;
  private readonly domain: TlbDomain;
  private readonly i32: Int32Array;
  /** Byte address of the TLB in the device area. */
  readonly base: number;
  /** How often a slot was taken from a pair of regimes, or from none. */
  takes = 0;
  private readonly slots: Slot[];
  private readonly slotBytes: number;
  private current: Slot;

  constructor(domain: TlbDomain, geometry: TlbGeometry) {
    assertGeometry(geometry);
    this.domain = domain;
    this.memory = domain.memory;
    this.i32 = domain.memory.i32;
    this.base = this.memory.reserve(tlbBytes(geometry), 64);
    this.slotBytes = contextBytes(geometry);
    this.slots = Array.from({ length: geometry.contexts }, (_, i) =>
      makeSlot(this.memory, this.base + TLB_HEADER_BYTES + i * this.slotBytes, geometry),
    );
    this.current = this.slots[0]!;
    this.reset();
    domain.join(this);
  }

  /** Byte address of the current context's data table. */
  get dtlbBase(): number {
    return this.current.data.base;
  }

  /** Byte address of the current context's fetch table. */
  get itlbBase(): number {
    return this.current.fetch.base;
  }

  /** The current context's regimes; null before the first select(). */
  get dataRegime(): Regime | null {
    return this.current.data.regime;
  }

  get fetchRegime(): Regime | null {
    return this.current.fetch.regime;
  }

  /** Makes the context of this pair the current one; the least recently used slot is taken when it has none. */
  select(fetch: Regime, data: Regime): void {
    if (this.current.fetch.regime === fetch && this.current.data.regime === data) return;
    this.current = this.find(fetch, data) ?? this.take(fetch, data);
    const clock = this.base >>> 2;
    this.i32[clock]!++;
    if (this.i32[clock] === 0) this.i32[clock + 1]!++;
    this.i32.copyWithin(this.current.lastUse, clock, clock + 2);
  }

  /** Translated code has made the context current whose data table is at an address. */
  resume(dtlbBase: number): void {
    if (dtlbBase === this.current.data.base) return;
    this.current = this.slots[Math.floor((dtlbBase - this.base - TLB_HEADER_BYTES) / this.slotBytes)]!;
  }

  /** How often a context was made the current one. */
  get clock(): number {
    return this.timeAt(this.base >>> 2);
  }

  /** The clock when `regime` was last selected by way of a context that is still there, or 0. */
  lastUse(regime: Regime): number {
    let last = 0;
    for (const slot of this.slots) {
      if (slot.fetch.regime === regime || slot.data.regime === regime) {
        last = Math.max(last, this.timeAt(slot.lastUse));
      }
    }
    return last;
  }

  /** Fills the current context's data entry for `page`. */
  fillData(page: number, pfn: Pfn, info: number): void {
    const bank = this.current.data;
    const at = bank.at(page);
    const writable = (info & INFO_WRITE) !== 0 && this.domain.allowWriteTag(pfn);
    bank.fill(at);
    this.setTag(at + READ_TAG, (info & INFO_READ) !== 0 ? page : -1);
    this.setTag(at + WRITE_TAG, writable ? page : -1);
    this.i32[at + DATA_ADDEND] = this.addendOf(page, pfn);
    this.i32[at + DATA_INFO] = info;
    if ((info & INFO_LEVEL) !== 0) bank.fragments = true;
  }

  /** Fills the current context's fetch entry for `page`; from now on the frame holds code. */
  fillFetch(page: number, pfn: Pfn, info: number): void {
    const bank = this.current.fetch;
    const at = bank.at(page);
    bank.fill(at);
    this.i32[at + FETCH_ADDEND] = this.addendOf(page, pfn);
    this.i32[at + FETCH_INFO] = info;
    this.setTag(at + FETCH_TAG, page);
    this.domain.markCode(pfn);
    if ((info & INFO_LEVEL) !== 0) bank.fragments = true;
  }

  /**
   * What the current context's data entry permits on `page`: info bits, or 0 without an entry. A permitted store may
   * lack its tag because the frame holds code; the addend is valid all the same.
   */
  dataInfo(page: number): number {
    const at = this.current.data.at(page);
    return this.tagIs(at + READ_TAG, page) ? this.i32[at + DATA_INFO]! : 0;
  }

  dataAddend(page: number): number {
    return this.i32[this.current.data.at(page) + DATA_ADDEND]!;
  }

  hasFetch(page: number): boolean {
    return this.tagIs(this.current.fetch.at(page) + FETCH_TAG, page);
  }

  fetchAddend(page: number): number {
    return this.i32[this.current.fetch.at(page) + FETCH_ADDEND]!;
  }

  /** Invalidates every entry. */
  flushAll(): void {
    for (const { data, fetch } of this.slots) {
      data.clear();
      fetch.clear();
    }
  }

  /** Invalidates the tables whose regime is `affected`: their entry for `page`, or all where that is null. */
  flush(affected: (regime: Regime) => boolean, page: number | null): void {
    for (const { data, fetch } of this.slots) {
      if (data.regime !== null && affected(data.regime)) this.flushBank(data, page);
      if (fetch.regime !== null && affected(fetch.regime)) this.flushBank(fetch, page);
    }
  }

  revokeWrites(pfn: Pfn): void {
    for (const { data } of this.slots) {
      for (const [start, end] of data.filled()) {
        for (let at = start; at < end; at += data.entryWords) {
          if (this.i32[at + WRITE_TAG] !== -1 && this.frameAt(at + WRITE_TAG, at + DATA_ADDEND) === pfn) {
            this.setTag(at + WRITE_TAG, -1);
          }
        }
      }
    }
  }

  /** Back to the state of a new TLB. */
  reset(): void {
    this.flushAll();
    for (const slot of this.slots) {
      slot.data.use(null);
      slot.fetch.use(null);
      this.i32.fill(0, slot.lastUse, slot.lastUse + 2);
    }
    this.i32.fill(0, this.base >>> 2, (this.base >>> 2) + 2);
    this.current = this.slots[0]!;
  }

  forEach(visit: EntryVisitor): void {
    for (const { data, fetch } of this.slots) {
      this.visitBank(data, DATA_ADDEND, 'data', visit);
      this.visitBank(fetch, FETCH_ADDEND, 'fetch', visit);
    }
  }

  private timeAt(at: number): number {
    return fromWords(this.i32[at]!, this.i32[at + 1]!);
  }

  private find(fetch: Regime, data: Regime): Slot | undefined {
    for (const slot of this.slots) {
      if (slot.fetch.regime === fetch && slot.data.regime === data) return slot;
    }
    return undefined;
  }

  private take(fetch: Regime, data: Regime): Slot {
    let oldest = this.slots[0]!;
    for (const slot of this.slots) {
      if (this.timeAt(slot.lastUse) < this.timeAt(oldest.lastUse)) oldest = slot;
    }
    this.takes++;
    for (const regime of [oldest.fetch.regime, oldest.data.regime]) {
      if (regime !== null) regime.lastUse = Math.max(regime.lastUse, this.timeAt(oldest.lastUse));
    }
    oldest.data.clear();
    oldest.fetch.clear();
    oldest.data.use(data);
    oldest.fetch.use(fetch);
    return oldest;
  }

  private flushBank(bank: Bank, page: number | null): void {
    if (page === null || bank.fragments) {
      bank.clear();
      return;
    }
    const at = bank.at(page);
    if (this.tagIs(at, page)) this.setTag(at, -1);
    if (bank.entryWords === DTLB_ENTRY_BYTES / 4 && this.tagIs(at + WRITE_TAG, page)) {
      this.setTag(at + WRITE_TAG, -1);
    }
  }

  private visitBank(bank: Bank, addend: number, kind: EntryKind, visit: EntryVisitor): void {
    if (bank.regime === null) return;
    for (let i = 0; i < bank.entries; i++) {
      const at = (bank.base >>> 2) + i * bank.entryWords;
      if (this.tagIs(at, -1)) continue;
      const page = this.i32[at + 1]! * 2 ** 32 + (this.i32[at]! >>> 0);
      visit(bank.regime, page, this.frameAt(at, at + addend), this.i32[at + addend + 1]!, kind);
    }
  }

  private tagIs(at: number, page: number): boolean {
    return this.i32[at] === loWord(page) && this.i32[at + 1] === hiWord(page);
  }

  private setTag(at: number, page: number): void {
    this.i32[at] = loWord(page);
    this.i32[at + 1] = hiWord(page);
  }

  private frameAt(tag: number, addend: number): Pfn {
    return ((this.i32[tag]! + this.i32[addend]!) >>> 12) as Pfn;
  }

  /** Host byte address of a frame, for one access without an entry. */
  reach(pfn: Pfn): number {
    if (!this.memory.isFrame(pfn)) bug('tlb: not a frame', { pfn });
    if (!this.memory.is(Fact.reachable, pfn))
      bug('tlb: a guest is about to reach a frame that is not for guests', { pfn });
    return pfn * 4096;
  }

  private addendOf(page: number, pfn: Pfn): number {
    if (pageAlignDown(page) !== page) bug('tlb: not a page', { page, pfn });
    return (this.reach(pfn) - loWord(page)) | 0;
  }
}

function makeSlot(memory: PhysicalMemory, base: number, g: TlbGeometry): Slot {
  const data = base + CONTEXT_HEADER_BYTES;
  const fetch = data + g.dtlbEntries * DTLB_ENTRY_BYTES;
  return {
    data: new Bank(memory, base + HEADER_OF_DATA, data, g.dtlbEntries, DTLB_ENTRY_BYTES),
    fetch: new Bank(memory, base + HEADER_OF_FETCHES, fetch, g.itlbEntries, ITLB_ENTRY_BYTES),
    lastUse: (base + HEADER_OF_DATA + HEADER_LAST_USE) >>> 2,
  };
}

function assertGeometry(g: TlbGeometry): void {
  const isTable = (n: number): boolean => Number.isInteger(Math.log2(n)) && n >= 16 && n <= 2 ** 20;
  if (!(g.contexts >= 1 && g.l2Entries >= 0 && isTable(g.dtlbEntries) && isTable(g.itlbEntries))) {
    throw new RangeError('TLB tables have a power of two of entries, at least 16, and at least one context');
  }
}
