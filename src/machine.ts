// The composition root: the one place that builds a host, its VM and its guest, and takes them down again.
//
// cli/ and the tests make a Machine, run it in slices and read what came of it; explore/ drives the same parts by
// another policy. Reads from top to bottom in the order in which a machine is switched on.
//
// Invariant: how runSlice() was called never changes a result: everything is a function of the configuration.

import {
  type AdScheme,
  CodeCache,
  DEFAULT_TRANSLATOR,
  Hart,
  hartDeviceBytes,
  jumpCacheBytes,
  type MmuKind,
  type StaleHit,
  WasmTranslator,
} from './hw/hart/index.ts';
import { PhysicalMemory } from './hw/memory/index.ts';
import { DEFAULT_TLB, TlbDomain, type TlbGeometry } from './hw/tlb/index.ts';
import { defaultMaxMmuPages } from './kvm/index.ts';
import {
  Host,
  type MemCgroup,
  readMemCgroup,
  readVmstat,
  reclaimSwapCache,
  SHMEM_LIKE,
  type SwapDevice,
  type ThpEnabled,
  thpStore,
} from './mm/index.ts';
import { Oracle, readPages, reportStaleHit, SwapCoverage, type Violation } from './oracle/index.ts';
import { runPolicy, Scheduler, type Steps } from './sched/index.ts';
import { type EventName, type Stamp, Trace, type TraceRing } from './trace/index.ts';
import { bug, gpa, PAGE_SIZE } from './units.ts';
import { type ElfImage, Layout, type RamBacking, type StopRecord, Vmm } from './vmm/index.ts';

/** off; on: invariants at check points; tlb: also every TLB hit is walked again (interpreter only, slow). */
export type CheckMode = 'off' | 'on' | 'tlb';

export interface MachineConfig {
  readonly image: ElfImage;
  readonly ramBytes: number;
  /** What guest RAM is in the VMM's process; default: anonymous memory. */
  readonly ramBacking?: RamBacking;
  /** Every frame that the host can allocate; at least 128 KiB. */
  readonly hostRamBytes: number;
  /** memory.max of the VMM's process: it swaps above that, while the host may have more; default: no limit. */
  readonly memoryMaxBytes?: number;
  readonly vcpus: number;
  readonly mmu: MmuKind;
  /** transparent_hugepage/enabled of the host, and shmem_enabled alike; default: never. */
  readonly thp?: ThpEnabled;
  readonly ad: AdScheme;
  readonly seed: number;
  readonly check: CheckMode;
  readonly swap: SwapDevice | null;
  /** What kind of device `swap` is, for the report. */
  readonly swapBackend: 'file' | 'memory' | 'none';
  readonly console: (bytes: Uint8Array) => void;
  /** Takes the trace events; null: none is recorded. */
  readonly ring: TraceRing | null;
  /** Which of them it takes; all if it is left out. */
  readonly events?: readonly EventName[];
  readonly maxInstructions: number;
  /** Sizes of the harts' TLBs. */
  readonly tlb?: TlbGeometry;
  /** False: the interpreter alone. */
  readonly translate?: boolean;
}

/** A machine like `umbra run`'s, without swap; what is missing is the program. */
export const MACHINE_DEFAULTS: Omit<MachineConfig, 'image'> = {
  ramBytes: 64 * 2 ** 20,
  hostRamBytes: 32 * 2 ** 20,
  vcpus: 1,
  mmu: 'shadow',
  ad: 'hardware',
  seed: 1,
  check: 'off',
  swap: null,
  swapBackend: 'none',
  console: () => {},
  ring: null,
  maxInstructions: Number.POSITIVE_INFINITY,
};

/** How far a run has come, for a live display. */
export interface Progress {
  readonly instructions: number;
  /** Bytes of host memory in use. */
  readonly residentBytes: number;
  readonly swappedBytes: number;
  readonly faults: number;
  readonly exits: number;
}

export interface MachineStatistics {
  readonly ram: { readonly guestBytes: number; readonly hostBytes: number; readonly hostPeakBytes: number };
  readonly swap: {
    readonly backend: 'file' | 'memory' | 'none';
    readonly bytes: number;
    readonly peakBytes: number;
  };
  readonly coverage: { readonly pages: number; readonly neverSwapped: number };
  readonly exits: Readonly<Record<string, number>>;
  readonly kvm: Readonly<Record<string, number>>;
  readonly vm: Readonly<Record<string, number>>;
  /** Of the VMM's memory cgroup, in pages, if it has one. */
  readonly memcg?: Readonly<Record<string, number>>;
  readonly notifier: Readonly<Record<string, number>>;
}

export type { Violation };

/** Between two looks of the oracle: instructions of all harts, or scheduler steps, whichever comes first. */
const CHECK_INSTRUCTIONS = 1_000_000;
const CHECK_STEPS = 20_000;
/** Scheduler steps between two looks at whether the guest gets on. */
const PROGRESS_STEPS = 4096;

export class Machine {
  readonly config: MachineConfig;
  readonly sched: Scheduler;
  readonly trace: Trace;
  readonly memory: PhysicalMemory;
  readonly host: Host;
  readonly harts: readonly Hart[];
  readonly vmm: Vmm;
  /** The memory cgroup of the VMM's process, if it is limited. */
  readonly memcg: MemCgroup | null;
  readonly oracle: Oracle;
  readonly #coverage: SwapCoverage | null;
  #nextCheckInstructions = CHECK_INSTRUCTIONS;
  #nextCheckSteps = CHECK_STEPS;
  #nextProgressStep = PROGRESS_STEPS;

  constructor(config: MachineConfig) {
    const { hostRamBytes, vcpus, tlb = DEFAULT_TLB } = config;
    this.config = config;
    this.sched = new Scheduler(runPolicy(config.seed));
    this.trace = new Trace(this.#stamp());
    this.trace.attachRing(config.ring, config.events);
    this.sched.trace = this.trace.points;
    this.memory = new PhysicalMemory({
      frames: Math.floor(hostRamBytes / PAGE_SIZE),
      deviceBytes: vcpus * (hartDeviceBytes(tlb) + jumpCacheBytes()),
    });
    this.host = new Host({
      memory: this.memory,
      sched: this.sched,
      trace: this.trace.points,
      swap: config.swap,
      cpus: vcpus,
    });
    const { thp = 'never' } = config;
    thpStore(this.host, { enabled: thp, shmemEnabled: SHMEM_LIKE[thp] });
    this.memcg = this.#limitMemory();
    this.oracle = new Oracle(this.host);
    this.harts = this.#buildHarts(tlb);
    this.vmm = new Vmm({
      host: this.host,
      image: config.image,
      harts: this.harts,
      mmu: config.mmu,
      maxMmuPages: defaultMaxMmuPages(this.memory.endPfn - this.memory.firstPfn, vcpus, config.ramBytes),
      ramBytes: config.ramBytes,
      ramBacking: config.ramBacking ?? 'anonymous',
      memcg: this.memcg,
      isa: ISA,
      console: config.console,
      maxInstructions: config.maxInstructions,
    });
    this.#coverage = this.#watchCoverage();
    this.host.start();
    this.sched.spawn('vmm', this.vmm.boot());
  }

  #limitMemory(): MemCgroup | null {
    const { memoryMaxBytes = Number.POSITIVE_INFINITY } = this.config;
    if (memoryMaxBytes === Number.POSITIVE_INFINITY) return null;
    const memcg = this.host.memcgs.create('vmm');
    if (typeof memcg === 'number') bug('a host begins with too many memory cgroups');
    memcg.memory.max = Math.floor(memoryMaxBytes / PAGE_SIZE);
    return memcg;
  }

  /** Events are stamped with virtual time; a vCPU's with what its hart has executed by then. */
  #stamp(): Stamp {
    const machine = this;
    return {
      get now() {
        return machine.sched.now + machine.vmm.unsettled;
      },
      get currentId() {
        return machine.sched.currentId;
      },
    };
  }

  /** Pages between the symbols buffer_start and buffer_end, where a program has them. */
  #watchCoverage(): SwapCoverage | null {
    const { symbols } = this.config.image;
    const start = symbols.get('buffer_start')?.address;
    const end = symbols.get('buffer_end')?.address;
    if (start === undefined || end === undefined || !(start >= Layout.ram && end > start)) return null;
    if (end > Layout.ram + this.config.ramBytes) return null;
    const coverage = new SwapCoverage(gpa(start), gpa(end));
    this.trace.subscribe('try_to_unmap', ({ fields }) => {
      // The process has memory below RAM as well.
      const offset = fields.address! - this.vmm.ramAddress;
      if (offset >= 0) coverage.unmapped(gpa(offset + Layout.ram));
    });
    return coverage;
  }

  #buildHarts(tlb: TlbGeometry): Hart[] {
    const { vcpus, mmu, ad, check, translate = true } = this.config;
    const domain = new TlbDomain(this.memory);
    const code = new CodeCache(this.memory);
    const checksHits = check === 'tlb';
    if (translate && !checksHits) new WasmTranslator(this.memory, code, { ...DEFAULT_TRANSLATOR, tlb });
    const onStaleHit = (hit: StaleHit): void => reportStaleHit(hit, this.oracle.report);
    return Array.from({ length: vcpus }, (_, id) => {
      return new Hart({ domain, code, id, mmu, ad, tlb, ...(checksHits ? { onStaleHit } : {}) });
    });
  }

  /**
   * Runs until the guest has stopped, or `isOver()` says so between two scheduler steps; takes one step at least.
   * 'broken': an invariant is broken, and whatever comes after would only blur why; without any check still I9, a
   * guest that does not get on.
   */
  runSlice(isOver: () => boolean): 'running' | 'stopped' | 'broken' {
    let begun = false;
    const end = this.sched.run(() => {
      if (this.config.check !== 'off') this.#checkIfDue();
      if (this.sched.steps >= this.#nextProgressStep) this.#checkProgress();
      if (this.vmm.stop !== null || this.#isBroken || (begun && isOver())) return true;
      begun = true;
      return false;
    });
    if (this.#isBroken) return 'broken';
    if (this.vmm.stop === null && end === 'deadlock') {
      bug('every task waits for another', { blocked: this.sched.describeBlocked() });
    }
    if (this.vmm.stop === null) return 'running';
    this.#checkAtEnd();
    return this.#isBroken ? 'broken' : 'stopped';
  }

  get #isBroken(): boolean {
    return this.oracle.violations.length > 0;
  }

  get stop(): StopRecord | null {
    return this.vmm.stop;
  }

  /** Instructions that all harts together have attempted. */
  get instructions(): number {
    return this.vmm.instructions;
  }

  get check(): { readonly points: number; readonly violations: readonly Violation[] } {
    return this.oracle;
  }

  progress(): Progress {
    const kvm = this.vmm.kvm;
    return {
      instructions: this.instructions,
      residentBytes: (this.host.zone.managedPages - this.host.zone.freePages) * PAGE_SIZE,
      swappedBytes: usedSlots(this.host) * PAGE_SIZE,
      faults: sum(kvm?.vcpus.map((vcpu) => vcpu.stats.pf_taken) ?? []),
      exits: sum(kvm?.vcpus.map((vcpu) => vcpu.stats.exits) ?? []),
    };
  }

  statistics(): MachineStatistics {
    const { host, config } = this;
    const kvm = this.vmm.kvm;
    const vcpus = kvm?.vcpus ?? [];
    return {
      ram: {
        guestBytes: config.ramBytes,
        hostBytes: config.hostRamBytes,
        hostPeakBytes: host.zone.peakPages * PAGE_SIZE,
      },
      swap: {
        backend: config.swapBackend,
        bytes: usedSlots(host) * PAGE_SIZE,
        peakBytes: (host.swap?.peakSlots ?? 0) * PAGE_SIZE,
      },
      coverage: this.#coverage?.counts ?? { pages: 0, neverSwapped: 0 },
      exits: addUp(vcpus.map((vcpu) => vcpu.exits)),
      kvm: { ...kvm?.stats, ...addUp(vcpus.map((vcpu) => ({ ...vcpu.stats }))) },
      vm: readVmstat(host),
      ...(this.memcg === null ? {} : { memcg: readMemCgroup(this.memcg) }),
      notifier: { ...host.notifierEnvironment.stats },
    };
  }

  /** Guest memory page by page as the guest would read it, then the registers of each hart; for a digest. */
  finalState(take: (bytes: Uint8Array) => void): void {
    const { kvm, ramAddress } = this.vmm;
    if (kvm !== null) readPages(kvm.mm, ramAddress, take);
    for (const hart of this.harts) take(new Uint8Array(hart.block.buffer, hart.base, REGISTER_BYTES));
  }

  /** Ends the process and the VM, and looks for what they left behind. */
  shutdown(): void {
    this.#runToEnd('teardown', this.vmm.teardown());
    // Pages that were being written when the process exited stand in the swap cache for nobody's sake.
    this.#runToEnd('swapoff', reclaimSwapCache(this.host));
    // Until nothing can run any more: reclaim may have had a page in hand.
    this.sched.run(() => false);
    this.oracle.checkLeaks(usedSlots(this.host));
  }

  #runToEnd(name: string, body: Steps): void {
    const task = this.sched.spawn(name, body);
    if (this.sched.run(() => task.state === 'done') === 'deadlock') {
      bug(`${name} waits for ever`, { blocked: this.sched.describeBlocked() });
    }
  }

  #checkIfDue(): void {
    const { steps } = this.sched;
    if (this.instructions < this.#nextCheckInstructions && steps < this.#nextCheckSteps) return;
    this.#nextCheckInstructions = this.instructions + CHECK_INSTRUCTIONS;
    this.#nextCheckSteps = steps + CHECK_STEPS;
    this.#checkNow();
  }

  #checkProgress(): void {
    this.#nextProgressStep += PROGRESS_STEPS;
    if (this.vmm.kvm !== null) this.oracle.checkProgress(this.vmm.kvm);
  }

  #checkAtEnd(): void {
    if (this.config.check !== 'off') this.#checkNow();
  }

  #checkNow(): void {
    if (this.vmm.kvm === null) return;
    this.oracle.check(this.vmm.kvm);
  }
}

/** A host without VMs, for processes alone. */
export interface HostConfig {
  /** Every frame that the host can allocate. */
  readonly hostRamBytes: number;
  readonly swap: SwapDevice | null;
  readonly cpus: number;
  readonly seed: number;
  /** Takes the trace events, all or those of `events`. */
  readonly ring?: TraceRing;
  readonly events?: readonly EventName[];
}

export function createHost({ hostRamBytes, swap, cpus, seed, ring, events }: HostConfig): Host {
  const sched = new Scheduler(runPolicy(seed));
  const trace = new Trace(sched);
  if (ring !== undefined) trace.attachRing(ring, events);
  sched.trace = trace.points;
  const memory = new PhysicalMemory({ frames: Math.floor(hostRamBytes / PAGE_SIZE), deviceBytes: 0 });
  const host = new Host({ memory, sched, trace: trace.points, swap, cpus });
  host.start();
  return host;
}

export const createMachine = (config: MachineConfig): Machine => new Machine(config);

/** What the harts are, for the device tree. */
const ISA = 'rv64imac_zicntr_zicsr_zifencei_sstc';
const REGISTER_BYTES = 33 * 8;

const usedSlots = ({ swap }: Host): number => (swap === null ? 0 : swap.totalSlots - swap.freeSlots);

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Counters of several vCPUs as one. */
function addUp(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) total[name] = (total[name] ?? 0) + value;
  }
  return total;
}
