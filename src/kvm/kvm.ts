// struct kvm: one virtual machine.
//
// The VMM creates it for its mm, gives it memslots and runs its vCPUs; the mm's notifiers reach it through
// notifierClient.ts. The functions of this room take it as their first parameter.
//
// Invariants: invalidateInProgress is the number of open start..end pairs that met a memslot; a range is kept only
// while it is above 0. `shadowPages` holds the valid pages, oldest first; every frame of each is in `pageOfFrame`.
// Locks: the groups below name theirs.

import type { Hart } from '../hw/hart/index.ts';
import type { PhysicalMemory } from '../hw/memory/index.ts';
import type { Host, Mm, Shrinker } from '../mm/index.ts';
import type { MmuNotifier } from '../notifier/index.ts';
import { LOCKS, Mutex, RwLock, type Scheduler, Srcu, WaitQueue } from '../sched/index.ts';
import type { Tracepoints } from '../trace/index.ts';
import { bug, type Gfn, type Hpa, hpaToPfn, type Pfn } from '../units.ts';
import type { Memslot } from './memslot.ts';
import { mmuShrinker } from './recycle.ts';
import type { ShadowPage } from './shadowPage.ts';
import { newVmStats, type VmStats } from './stats.ts';
import { Vcpu } from './vcpuState.ts';

export interface KvmOptions {
  readonly host: Host;
  /** The VMM process: its address space backs the guest's memory. */
  readonly mm: Mm;
  /** One per vCPU; all of the same kind: 'shadow' or 'tdp'. */
  readonly harts: readonly Hart[];
  readonly mmu: 'shadow' | 'tdp';
  /** n_max_mmu_pages: frames of shadow pages, at least 8 and 4 more for each vCPU. */
  readonly maxMmuPages: number;
}

export class Kvm {
  readonly id: number;
  readonly host: Host;
  readonly mm: Mm;
  readonly memory: PhysicalMemory;
  readonly sched: Scheduler;
  readonly trace: Tracepoints;
  readonly mmu: 'shadow' | 'tdp';
  readonly stats: VmStats = newVmStats();
  readonly vcpus: readonly Vcpu[];
  readonly shrinker: Shrinker = mmuShrinker(this);
  /** The vCPU that touched guest memory last (reservation.ts). */
  lastTurn: Vcpu | null = null;
  /** The mm is going or gone: no vCPU may run. Set before the last zap, so that a check under mmu_lock is enough. */
  vmDead = false;
  /** The subscription to the mm's notifiers, from createVm to destroyVm. */
  notifier: MmuNotifier | null = null;

  readonly slotsLock: Mutex;
  readonly mmuLock: RwLock;
  /** Tasks that bring pages up to date whose mark is off already: none of them is in sync yet. */
  syncing = 0;
  readonly mnInvalidateLock: Mutex;
  readonly srcu: Srcu;

  // Published under slots_lock, read under kvm->srcu; sorted by gfn.
  memslots: readonly Memslot[] = [];

  // Under mn_invalidate_lock.
  mnActiveInvalidateCount = 0;
  readonly mnMemslotsUpdateWait: WaitQueue;

  // Under mmu_lock; the sequence is also read without it, see pageFault.ts.
  mmuInvalidateSeq = 0;
  mmuInvalidateInProgress = 0;
  mmuInvalidateRangeStart = 0;
  mmuInvalidateRangeEnd = 0;

  // Under mmu_lock.
  readonly shadowPages = new Set<ShadowPage>();
  readonly pagesOfGfn = new Map<Gfn, ShadowPage[]>();
  readonly pageOfFrame = new Map<Pfn, ShadowPage>();
  /** Frames of all shadow pages, those that wait to be freed included (n_used_mmu_pages). */
  usedMmuPages = 0;
  readonly maxMmuPages: number;
  /** Shadow pages with a guest table behind them; stores need tracking only while there are any. */
  indirectShadowPages = 0;
  /** Pages whose stores the VMM wants to hear of (trackWrites). */
  readonly watchedGfns = new Set<Gfn>();

  constructor({ host, mm, harts, mmu, maxMmuPages }: KvmOptions) {
    this.host = host;
    this.mm = mm;
    this.memory = host.memory;
    this.sched = host.sched;
    this.trace = host.trace;
    this.mmu = mmu;
    this.maxMmuPages = maxMmuPages;
    this.id = this.sched.lockId();
    this.slotsLock = new Mutex(this.sched, LOCKS.slots_lock);
    this.mmuLock = new RwLock(this.sched, LOCKS.mmu_lock);
    this.mnInvalidateLock = new Mutex(this.sched, LOCKS.mn_invalidate_lock);
    this.srcu = new Srcu(this.sched, 'kvm->srcu');
    this.mnMemslotsUpdateWait = new WaitQueue(this.sched, 'memslot update: open notifier ranges');
    this.vcpus = harts.map((hart, index) => new Vcpu(this, hart, index));
  }

  /** sptep_to_sp(). */
  pageOfSptep(sptep: Hpa): ShadowPage {
    return this.pageOfFrame.get(hpaToPfn(sptep)) ?? bug('sptep without a shadow page', { sptep });
  }
}
