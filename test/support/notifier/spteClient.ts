// A client that keeps translations without page references, by the protocol of KVM: zap in start, a count of open
// ranges and a sequence number that a fault checks under the lock before it installs. `use` is what the rules are for:
// it must never reach a freed frame.
//
// The protected methods are the places where the tests make mutants.

import {
  MmuNotifier,
  type MmuNotifierOps,
  type MmuNotifierRange,
  mmuNotifierRegister,
  mmuNotifierUnregister,
} from '../../../src/notifier/index.ts';
import { at, LOCKS, Mutex, points, type Steps } from '../../../src/sched/index.ts';
import type { Hva } from '../../../src/units.ts';
import type { FakeMm } from './fakeMm.ts';

export class SpteClient {
  readonly subscription: MmuNotifier;
  releases = 0;
  /** Releases that have not returned. */
  releasing = 0;
  protected readonly mm: FakeMm;
  protected readonly lock: Mutex;
  // Under lock.
  protected readonly sptes = new Map<Hva, number>();
  protected openRanges = 0;
  protected sequence = 0;
  protected released = false;

  constructor(mm: FakeMm, id = 1) {
    this.mm = mm;
    this.lock = new Mutex(mm.sched, LOCKS.mmu_lock);
    this.subscription = new MmuNotifier(id, this.ops());
  }

  register(): Steps<number> {
    return mmuNotifierRegister(this.subscription, this.mm);
  }

  unregister(): Steps {
    return mmuNotifierUnregister(this.subscription, this.mm);
  }

  /** Makes a translation of a page, or none if the page is not mapped or the host is at it. */
  *fault(address: Hva): Steps {
    if (points.on) yield at.sequence(this.subscription.id);
    const { sequence } = this;
    const frame = yield* this.mm.lookup(address);
    if (frame === null) return;
    yield* this.lock.lock();
    if (this.mayInstall(sequence)) this.sptes.set(address, frame);
    yield* this.lock.unlock();
  }

  /** An access through the translation, if there is one. */
  *use(address: Hva): Steps {
    if (points.on) yield at.spte(address);
    const frame = this.sptes.get(address);
    this.mm.verdict.check('use after free', frame === undefined || !this.mm.freed.has(frame));
  }

  /** Rules 22, 23 and 38. */
  protected mayInstall(sequence: number): boolean {
    return this.openRanges === 0 && this.sequence === sequence && !this.released;
  }

  protected beginRange(): void {
    this.openRanges++;
  }

  protected endRange(): void {
    this.openRanges--;
  }

  protected stopFaults(): void {
    this.released = true;
  }

  protected ops(): MmuNotifierOps {
    const client = this;
    return {
      *release() {
        client.releases++;
        client.releasing++;
        yield* client.lock.lock();
        client.stopFaults();
        client.sptes.clear();
        yield* client.lock.unlock();
        client.releasing--;
      },
      *invalidateRangeStart(_subscription, range) {
        yield* client.lock.lock();
        client.beginRange();
        client.#zap(range);
        yield* client.lock.unlock();
        return 0;
      },
      *invalidateRangeEnd() {
        yield* client.lock.lock();
        client.sequence++;
        client.endRange();
        yield* client.lock.unlock();
      },
    };
  }

  #zap({ start, end }: MmuNotifierRange): void {
    for (const address of [...this.sptes.keys()])
      if (address >= start && address < end) this.sptes.delete(address);
  }
}
