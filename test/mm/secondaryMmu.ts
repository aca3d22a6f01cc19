// A secondary MMU in the small: caches (page -> frame) as kvm does, by the rules of include/linux/mmu_notifier.h, and
// reads and writes memory through what it cached. What it checks itself at each call is the notifier protocol.

import { expect } from 'vitest';
import { getUserPage, type Mm, markPageAccessed, putPage, setPageDirty } from '../../src/mm/index.ts';
import { FrameKind } from '../../src/mm/internals.ts';
import {
  MmuNotifier,
  type MmuNotifierOps,
  type MmuNotifierRange,
  mmuNotifierRegister,
  mmuNotifierUnregister,
} from '../../src/notifier/index.ts';
import { at, LOCKS, Mutex, points, RESCHED, type Steps } from '../../src/sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn, pfnToHpa } from '../../src/units.ts';

interface Translation {
  readonly pfn: Pfn;
  readonly writable: boolean;
  dirty: boolean;
  young: boolean;
}

export interface NotifierCall {
  readonly call: 'start' | 'end' | 'young' | 'release';
  readonly start: number;
  readonly end: number;
  readonly event?: number;
  readonly blockable?: boolean;
}

export class SecondaryMmu {
  readonly #mm: Mm;
  readonly #lock: Mutex;
  readonly #subscription: MmuNotifier;
  /** Every call, in order. */
  readonly calls: NotifierCall[] = [];
  /** Called inside start and end, with nothing held. */
  onRange: ((call: 'start' | 'end', range: MmuNotifierRange) => void) | null = null;
  retries = 0;
  // Under #lock.
  readonly #translations = new Map<Hva, Translation>();
  readonly #open: MmuNotifierRange[] = [];
  #sequence = 0;
  #released = false;

  constructor(mm: Mm) {
    this.#mm = mm;
    this.#lock = new Mutex(mm.host.sched, LOCKS.mmu_lock);
    this.#subscription = new MmuNotifier(1, this.#ops());
  }

  get translations(): number {
    return this.#translations.size;
  }

  get openRanges(): number {
    return this.#open.length;
  }

  *register(): Steps {
    expect(yield* mmuNotifierRegister(this.#subscription, this.#mm)).toBe(0);
  }

  unregister(): Steps {
    return mmuNotifierUnregister(this.#subscription, this.#mm);
  }

  /** Reads a byte: the byte, or -errno. */
  *read(address: Hva): Steps<number> {
    const translation = yield* this.#translate(address, false);
    if (typeof translation === 'number') return translation;
    return this.#mm.host.memory.read8(this.#reach(translation, address));
  }

  /** Writes a byte: 0 or -errno. */
  *write(address: Hva, value: number): Steps<number> {
    const translation = yield* this.#translate(address, true);
    if (typeof translation === 'number') return translation;
    translation.dirty = true;
    this.#mm.host.memory.write8(this.#reach(translation, address), value);
    return 0;
  }

  /** I1: what is accessed is a page, and not a free one. */
  #reach(translation: Translation, address: Hva): Hpa {
    translation.young = true;
    const kind = this.#mm.host.frames.kind[translation.pfn];
    expect(kind === FrameKind.folio || (kind === FrameKind.zeroPage && !translation.writable)).toBe(true);
    return (pfnToHpa(translation.pfn) + (address % PAGE_SIZE)) as Hpa;
  }

  /** One step of hardware when it hits; faults in and tries again when it does not. */
  *#translate(address: Hva, write: boolean): Steps<Translation | number> {
    const page = (address - (address % PAGE_SIZE)) as Hva;
    for (;;) {
      if (points.on) yield at.tlb(99);
      const translation = this.#translations.get(page);
      if (translation && (translation.writable || !write)) return translation;
      const error = yield* this.#fault(page, write);
      if (error !== 0) return error;
    }
  }

  /** kvm's page fault: snapshot, look up, re-check under the lock (rules 22 to 24). */
  *#fault(page: Hva, write: boolean): Steps<number> {
    const { host } = this.#mm;
    if (points.on) yield at.sequence(99);
    const sequence = this.#sequence;
    const pfn = (yield* getUserPage(this.#mm, page, write)) as Pfn;
    if (pfn < 0) return pfn;
    const { writable } = host.gup;
    yield* this.#lock.lock();
    const stale =
      this.#released || this.#sequence !== sequence || this.#open.some((range) => covers(range, page));
    if (!stale) {
      this.#translations.set(page, { pfn, writable, dirty: false, young: true });
      if (points.on) yield at.page(pfn);
      if (pfn !== host.zeroPfn) markPageAccessed(host, pfn);
    }
    yield* this.#lock.unlock();
    yield* putPage(host, pfn);
    if (stale) {
      this.retries++;
      yield RESCHED;
    }
    return 0;
  }

  #ops(): MmuNotifierOps {
    return {
      invalidateRangeStart: (_subscription, range) => this.#start(range),
      invalidateRangeEnd: (_subscription, range) => this.#end(range),
      clearFlushYoung: (_subscription, _mm, start, end) => this.#young(start, end),
      release: () => this.#release(),
    };
  }

  *#start(range: MmuNotifierRange): Steps<number> {
    this.#note('start', range);
    yield* this.#lock.lock();
    this.#open.push(range);
    yield* this.#zap(range.start, range.end);
    yield* this.#lock.unlock();
    return 0;
  }

  *#end(range: MmuNotifierRange): Steps {
    yield* this.#lock.lock();
    const index = this.#open.indexOf(range);
    expect(index).toBeGreaterThanOrEqual(0);
    this.#open.splice(index, 1);
    this.#sequence++;
    for (const page of this.#translations.keys()) expect(covers(range, page)).toBe(false);
    yield* this.#lock.unlock();
    this.#note('end', range);
  }

  /** Rule 30: dirty goes to the page before the translation is gone. */
  *#zap(start: number, end: number): Steps {
    const { host } = this.#mm;
    for (const [page, translation] of [...this.#translations]) {
      if (page < start || page >= end) continue;
      if (points.on) yield at.page(translation.pfn);
      if (this.#translations.get(page) !== translation) continue;
      this.#translations.delete(page);
      if (translation.dirty) setPageDirty(host, translation.pfn);
    }
  }

  *#young(start: Hva, end: Hva): Steps<boolean> {
    expect(this.#mm.host.sched.current.atomicDepth).toBeGreaterThan(0);
    yield* this.#lock.lock();
    let young = false;
    for (const [page, translation] of this.#translations) {
      if (page < start || page >= end) continue;
      young ||= translation.young;
      translation.young = false;
    }
    yield* this.#lock.unlock();
    this.calls.push({ call: 'young', start, end });
    return young;
  }

  *#release(): Steps {
    this.calls.push({ call: 'release', start: 0, end: 0 });
    yield* this.#lock.lock();
    this.#released = true;
    yield* this.#zap(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    yield* this.#lock.unlock();
  }

  /** Rules 5 and 6: never under a spinlock; blockable ones may sleep. */
  #note(call: 'start' | 'end', range: MmuNotifierRange): void {
    const { current } = this.#mm.host.sched;
    expect(current.atomicDepth).toBe(0);
    const { start, end, event, blockable } = range;
    expect([start % PAGE_SIZE, end % PAGE_SIZE]).toEqual([0, 0]);
    this.calls.push({ call, start, end, event, blockable });
    this.onRange?.(call, range);
  }
}

const covers = ({ start, end }: MmuNotifierRange, page: Hva): boolean => page >= start && page < end;
