// A host: one machine's memory manager, and everything that exists once per machine.
//
// machine.ts builds it; every function of this room takes it, or reaches it through an mm. Its own threads (kswapd, the
// OOM reaper, interrupt handlers) are tasks of the scheduler, which start() spawns.
//
// Invariant: the frames are [firstPfn, endPfn) of the memory; the first is the zero page, the rest belongs to the zone.

import type { PhysicalMemory } from '../hw/memory/index.ts';
import { CpuTlb } from '../hw/tlb/index.ts';
import { createNotifierEnvironment, type NotifierEnvironment } from '../notifier/index.ts';
import type { Mutex, Scheduler, Steps } from '../sched/index.ts';
import type { Tracepoints } from '../trace/index.ts';
import type { Pfn } from '../units.ts';
import { BlockIo } from './ext4/blockIo.ts';
import { AddressSpaceTable } from './filemap/addressSpace.ts';
import { Flusher } from './filemap/writeback.ts';
import { Ksm } from './ksm/ksm.ts';
import { ksmScanThread } from './ksm/ksmScan.ts';
import { MemCgroups } from './memcg/memcontrol.ts';
import { CompactionState } from './migrate/compaction.ts';
import { FolioLocks } from './page/folioLock.ts';
import { FrameKind, Frames, PG_uptodate } from './page/frames.ts';
import { allocKernelPages } from './page/pageAlloc.ts';
import { Zone } from './page/zone.ts';
import { HostCpu } from './pagetable/tlbFlush.ts';
import { newVmstat } from './proc/vmstat.ts';
import { Kswapd } from './reclaim/kswapd.ts';
import { Lruvec } from './reclaim/lru.ts';
import { OomKiller } from './reclaim/oom.ts';
import { ReclaimThrottle } from './reclaim/reclaimThrottle.ts';
import { Shrinkers } from './reclaim/shrinker.ts';
import { swapClusterMax } from './reclaim/vmscan.ts';
import { AnonVmaTable } from './rmap/anonVma.ts';
import { SwapInfo } from './swap/swap.ts';
import type { SwapDevice } from './swap/swapDevice.ts';
import { SwapIo } from './swap/swapIo.ts';
import { SwapReadahead } from './swap/swapReadahead.ts';
import { deferredSplitShrinker } from './thp/deferredSplit.ts';
import { hugeZeroShrinker } from './thp/hugeZero.ts';
import { Khugepaged } from './thp/khugepaged.ts';
import type { ThpSettings } from './thp/thp.ts';
import { OVERCOMMIT_ALWAYS, type Sysctl } from './vma/commit.ts';
import { type LockStrategy, SleepingLocks } from './vma/lockStrategy.ts';
import { Mm } from './vma/mmStruct.ts';

export interface HostOptions {
  readonly memory: PhysicalMemory;
  readonly sched: Scheduler;
  readonly trace: Tracepoints;
  /** Null: a host without swap. */
  readonly swap: SwapDevice | null;
  /** Host CPUs, 1 to 31. */
  readonly cpus: number;
  /** Entries of a CPU's TLB, a power of two; default 64. */
  readonly cpuTlbEntries?: number;
  /** How mmap, VMA and anon_vma locks are taken; default: SleepingLocks. */
  readonly locks?: LockStrategy;
}

export class Host {
  readonly memory: PhysicalMemory;
  readonly sched: Scheduler;
  readonly trace: Tracepoints;
  readonly locks: LockStrategy;
  readonly notifierEnvironment: NotifierEnvironment;
  readonly frames: Frames;
  readonly folioLocks: FolioLocks;
  readonly zone: Zone;
  /** Of the root; the LRU lists of a cgroup are its own. */
  readonly lruvec: Lruvec;
  /** Pages of the node that somebody has taken off the lists for now (NR_ISOLATED_ANON and _FILE). */
  readonly nrIsolated = { anon: 0, file: 0 };
  readonly memcgs: MemCgroups;
  readonly anonVmas = new AnonVmaTable();
  readonly addressSpaces = new AddressSpaceTable();
  readonly cpus: readonly HostCpu[];
  readonly vmstat = newVmstat();
  readonly swap: SwapInfo | null;
  readonly swapIo: SwapIo;
  readonly blockIo: BlockIo;
  readonly flusher: Flusher;
  readonly readahead: SwapReadahead;
  readonly throttle: ReclaimThrottle;
  readonly shrinkers: Shrinkers;
  readonly kswapd: Kswapd;
  readonly compaction = new CompactionState();
  readonly oomKiller: OomKiller;
  readonly ksm: Ksm;
  /** How many folios reclaim takes at a time. */
  readonly swapClusterMax: number;
  /** Everybody's page of zeros; never freed, never counted by rmap. */
  readonly zeroPfn: Pfn;
  /** huge_zero_folio; 0 while there is none (hugeZero.ts). */
  hugeZeroFolio: Pfn | 0 = 0;
  /** By frame of a page table: its lock, made on first use. */
  readonly pageTableLocks: (Mutex | null)[];
  /** vm.* of /proc/sys; may be changed at any time. */
  readonly sysctl: Sysctl = {
    overcommitMemory: OVERCOMMIT_ALWAYS,
    overcommitRatio: 50,
    maxMapCount: 65530,
    numaMisplaced: false,
  };
  readonly khugepaged: Khugepaged;
  readonly thp: ThpSettings = { enabled: 'never', shmemEnabled: 'never', useZeroPage: true };
  /** vm_committed_as: pages that were promised (commit.ts). */
  committedAs = 0;
  /** All address spaces, oldest first. */
  readonly mms: Mm[] = [];
  /** What the last getUserPage() found besides the frame; read it before yielding. */
  readonly gup = { writable: false };
  #nextMmId = 1;
  #isStarted = false;
  #hasDisks = false;

  constructor({ memory, sched, trace, swap, cpus, cpuTlbEntries, locks }: HostOptions) {
    this.memory = memory;
    this.sched = sched;
    this.trace = trace;
    this.locks = locks ?? new SleepingLocks(sched);
    this.notifierEnvironment = createNotifierEnvironment(sched, trace);
    this.frames = new Frames(memory);
    this.folioLocks = new FolioLocks(sched, this.frames);
    this.zeroPfn = memory.firstPfn;
    this.frames.prepare(this.zeroPfn, FrameKind.zeroPage);
    this.frames.flags[this.zeroPfn] = PG_uptodate;
    this.zone = new Zone(sched, memory, this.frames, this.vmstat, (this.zeroPfn + 1) as Pfn);
    this.lruvec = new Lruvec(sched, this.frames, this.vmstat);
    this.memcgs = new MemCgroups(sched, this.frames, this.vmstat, this.lruvec);
    this.swapClusterMax = swapClusterMax(this.zone.managedPages);
    this.swap = swap === null ? null : new SwapInfo(sched, swap, this.memcgs);
    this.swapIo = new SwapIo(sched);
    this.blockIo = new BlockIo(sched);
    this.flusher = new Flusher(sched);
    this.readahead = new SwapReadahead(this.zone.managedPages);
    this.throttle = new ReclaimThrottle(sched, this.swapClusterMax);
    this.shrinkers = new Shrinkers(sched, this.swapClusterMax, [
      hugeZeroShrinker(this),
      deferredSplitShrinker(this),
    ]);
    this.kswapd = new Kswapd(sched);
    this.oomKiller = new OomKiller(sched);
    this.cpus = Array.from(
      { length: cpus },
      (_, index) => new HostCpu(index, new CpuTlb(memory, cpuTlbEntries)),
    );
    this.ksm = new Ksm(sched);
    this.khugepaged = new Khugepaged(sched);
    this.pageTableLocks = new Array<Mutex | null>(memory.endPfn).fill(null);
  }

  /** Spawns the host's own threads. Once, before anything runs; exploration does so before each run. */
  start(): void {
    for (const cpu of this.cpus) this.sched.spawn(`ipi/${cpu.index}`, cpu.handleIpis(this));
    this.sched.spawn('swapio', this.swapIo.handleCompletions(this));
    this.sched.spawn('kswapd0', this.kswapd.run(this));
    this.sched.spawn('oom_reaper', this.oomKiller.run(this));
    this.#isStarted = true;
    if (this.#hasDisks) this.#spawnDiskThreads();
    if (this.ksm.hasThread) this.sched.spawn('ksmd', ksmScanThread(this));
  }

  /** A disk is attached: from now on there are the threads that all disks share. */
  startDisks(): void {
    if (this.#hasDisks) return;
    this.#hasDisks = true;
    if (this.#isStarted) this.#spawnDiskThreads();
  }

  #spawnDiskThreads(): void {
    this.sched.spawn('blockio', this.blockIo.handleCompletions(this));
    this.sched.spawn('flusher', this.flusher.run(this));
  }

  /** mm_alloc(): an empty address space with one user; null when out of memory. */
  *createMm(): Steps<Mm | null> {
    const pgd = yield* allocKernelPages(this, 0, 'pageTable');
    if (pgd === null) return null;
    const mm = new Mm(this, this.#nextMmId++, pgd);
    this.mms.push(mm);
    return mm;
  }

  /** The last reference to `mm` is gone. */
  removeMm(mm: Mm): void {
    this.mms.splice(this.mms.indexOf(mm), 1);
  }
}
