// struct kvm_vcpu: one virtual CPU, its requests, and struct kvm_run, through which KVM_RUN talks to the VMM.
//
// Invariants: `mode` is IN_GUEST_MODE only while the hart runs; whoever changes what the guest may see sets a request
// first and then looks at the mode (requests.ts). `root` and `directRoot` hold a reference (rootCount) each.

import type { Hart, ExitReason as HartExit } from '../hw/hart/index.ts';
import { Marked, WaitQueue } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import { FenceClock } from './fenceClock.ts';
import type { KnownRoot } from './grants.ts';
import { GuestWalk } from './guestWalk.ts';
import type { Kvm } from './kvm.ts';
import type { ShadowPage } from './shadowPage.ts';
import { newVcpuStats, type VcpuStats } from './stats.ts';
import { VcpuMode } from './vcpuMode.ts';

export type ExitReason = 'none' | 'mmio' | 'intr' | 'hlt' | 'shutdown' | 'memory_fault' | 'tracked_write';

/** struct kvm_run. */
export interface KvmRun {
  exitReason: ExitReason;
  /** With memory_fault: the errno of KVM_RUN. */
  errno: number;
  /** Data is little endian in lo/hi. The VMM fills a read, or sets `fault` where nothing answers. */
  readonly mmio: { gpa: number; length: number; isWrite: boolean; lo: number; hi: number; fault: boolean };
  readonly memoryFault: { gpa: number };
  /** The guest cannot go on: a trap handler that cannot be fetched. */
  readonly shutdown: { cause: number };
  readonly trackedWrite: { gpa: number; length: number };
}

export interface GuestDebug {
  /** As hart.run(budget); Exit.kick where the guest must not go on for now. */
  run(vcpu: Vcpu, budget: number): HartExit;
}

export class Vcpu {
  readonly kvm: Kvm;
  readonly hart: Hart;
  readonly index: number;
  readonly stats: VcpuStats = newVcpuStats();
  /** Exits by cause, for `--stats`. */
  readonly exits: Record<string, number> = {};
  readonly run: KvmRun = {
    exitReason: 'none',
    errno: 0,
    mmio: { gpa: 0, length: 0, isWrite: false, lo: 0, hi: 0, fault: false },
    memoryFault: { gpa: 0 },
    shutdown: { cause: 0 },
    trackedWrite: { gpa: 0, length: 0 },
  };
  /** Where a halted vCPU waits for an interrupt. */
  readonly waitQueue: WaitQueue;
  /** struct guest_walker of this vCPU. */
  readonly guestWalk: GuestWalk;
  // Set by this vCPU, looked at and set by who makes requests of it: requests.ts has the order.
  readonly #mode: Marked<VcpuMode>;
  readonly #requests: Marked<number>;
  /** With Request.tlbFlushPages: guest virtual pages, each with the frame that a translation of it led to. */
  readonly pagesToFlush: { readonly page: number; readonly frame: Pfn }[] = [];
  /** Frames of which an spte went or lost its W since the hart's last flush (reservation.ts). */
  readonly staleFrames = new Set<Pfn>();

  /** Root of the current satp (shadow), or null: bare, tdp, or no memory at its gfn. */
  root: ShadowPage | null = null;
  /** Root of guest physical memory: unpaged translation, and the second stage. */
  directRoot: ShadowPage | null = null;
  /** Which roots are in sync with what this vCPU's fences demand. */
  readonly fences = new FenceClock();
  /** What the hart may switch to by itself, the latest last (grants.ts). */
  readonly knownRoots: KnownRoot[] = [];
  /** hart.pmp.userKey as kvm saw it last. */
  pmpKey = '';
  /** Frames set aside before mmu_lock is taken (mmu_shadow_page_cache). */
  readonly shadowPageCache: Pfn[] = [];
  /**
   * Instructions that the hart had attempted at its last fault that installed something, and how many of these came
   * since.
   */
  readonly faultsOf = { attempted: -1, count: 0 };
  /** The VMM owes the answer to an MMIO exit. */
  mmioNeeded = false;
  /** KVM_SET_GUEST_DEBUG: who runs the hart in kvm's stead, to stop it where a debugger wants. */
  debug: GuestDebug | null = null;

  constructor(kvm: Kvm, hart: Hart, index: number) {
    this.kvm = kvm;
    this.hart = hart;
    this.index = index;
    this.guestWalk = new GuestWalk(this);
    this.waitQueue = new WaitQueue(kvm.sched, `vcpu ${index} halted`);
    this.#mode = new Marked<VcpuMode>(kvm.sched, 'vcpu', index, VcpuMode.outsideGuest);
    this.#requests = new Marked(kvm.sched, 'vcpu', index, 0);
  }

  get mode(): VcpuMode {
    return this.#mode.read();
  }

  set mode(mode: VcpuMode) {
    this.#mode.write(mode);
  }

  /** Preceded by at.vcpu(index). */
  get requests(): number {
    return this.#requests.read();
  }

  /** kvm_make_request(): set_bit(), which orders nothing. Preceded by at.vcpu(index). */
  makeRequest(request: number): void {
    this.#requests.update((requests) => requests | request);
  }

  /** kvm_check_request() of all: what was requested, and is not any more. Preceded by at.vcpu(index). */
  takeRequests(): number {
    return this.#requests.exchange(0);
  }

  /**
   * kvm_vcpu_exiting_guest_mode(): what the mode was; if it was IN_GUEST_MODE, the vCPU is on its way out now. Preceded by
   * at.vcpu(index).
   */
  exitingGuestMode(): VcpuMode {
    return this.#mode.compareExchange(VcpuMode.inGuest, VcpuMode.exitingGuest);
  }
}
