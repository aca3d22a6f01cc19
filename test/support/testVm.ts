// A virtual machine to test kvm with: a small host, a process whose memory is the guest's RAM, a VM with harts and no
// VMM around it. Tests run bodies as tasks; the oracle looks on, and at the end everything must be given back.
//
// Guest RAM lies at RAM, page 0 of it holds the instructions that GuestHart executes (guestHart.ts). Every other page is
// filled with words that say where they lie, so that a load tells which page it reached.

import { expect } from 'vitest';
import { type AdScheme, CodeCache, Hart, hartDeviceBytes, type MmuKind } from '../../src/hw/hart/index.ts';
import { PhysicalMemory } from '../../src/hw/memory/index.ts';
import { TlbDomain, type TlbGeometry } from '../../src/hw/tlb/index.ts';
import { createVm, destroyVm, type Kvm, kvmSetMemoryRegion } from '../../src/kvm/index.ts';
import {
  copyFromUser,
  copyToUser,
  Ext4,
  exitMm,
  type File,
  fput,
  Host,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MemoryBlockDevice,
  MemorySwapDevice,
  type Mm,
  memfdCreate,
  mmap,
  PROT_READ,
  PROT_WRITE,
  SHMEM_LIKE,
  type ThpEnabled,
} from '../../src/mm/index.ts';
import { Oracle } from '../../src/oracle/index.ts';
import { type Policy, runPolicy, Scheduler, type Steps } from '../../src/sched/index.ts';
import { Trace, TraceRing } from '../../src/trace/index.ts';
import { bug, type Gfn, type Gpa, gpaToGfn, type Hva, hva, PAGE_SIZE } from '../../src/units.ts';
import { expectNothingLeaked, settle } from '../mm/support.ts';
import { GUEST_CODE } from './guestHart.ts';

export const RAM = 0x8000_0000;
const SMALL_TLB: TlbGeometry = { contexts: 4, dtlbEntries: 16, itlbEntries: 16, l2Entries: 64 };
const MAX_STEPS = 20_000_000;

export interface TestVmOptions {
  readonly harts?: number;
  readonly mmu?: MmuKind;
  readonly ad?: AdScheme;
  readonly policy?: Policy;
  readonly frames?: number;
  readonly swapSlots?: number;
  /** Pages of guest RAM. */
  readonly ramPages?: number;
  readonly maxMmuPages?: number;
  /** Between two looks of the oracle, in scheduler steps; Infinity: only at the end. */
  readonly checkEvery?: number;
  /** Fill RAM with words that say where they lie. Default true. */
  readonly filled?: boolean;
  /** transparent_hugepage/enabled of the host, and shmem_enabled alike; default: never. */
  readonly thp?: ThpEnabled;
  /** Guest RAM is a shared mapping of a shmem object, or of a file on a disk; default: anonymous memory. */
  readonly ramBacking?: 'anonymous' | 'shmem' | 'file';
}

export class TestVm {
  readonly sched: Scheduler;
  readonly trace: Trace;
  readonly ring = new TraceRing(1 << 12);
  readonly host: Host;
  readonly harts: readonly Hart[];
  readonly oracle: Oracle;
  readonly ramPages: number;
  readonly #options: TestVmOptions;
  readonly #checkEvery: number;
  #nextCheck: number;
  #mm: Mm | null = null;
  #kvm: Kvm | null = null;
  #ram = 0 as Hva;
  #ramFile: File | null = null;
  #disk: Ext4 | null = null;

  constructor(options: TestVmOptions = {}) {
    const { harts = 1, mmu = 'shadow', ad = 'hardware', frames = 160, swapSlots = 256 } = options;
    const deviceBytes = harts * (hartDeviceBytes(SMALL_TLB) + 4096);
    const memory = new PhysicalMemory({ frames, deviceBytes });
    this.#options = options;
    this.ramPages = options.ramPages ?? 32;
    this.#checkEvery = options.checkEvery ?? 211;
    this.#nextCheck = this.#checkEvery;
    this.sched = new Scheduler(options.policy ?? runPolicy());
    this.trace = new Trace(this.sched);
    this.trace.attachRing(this.ring);
    const swap = swapSlots > 0 ? new MemorySwapDevice(swapSlots + 1) : null;
    this.host = new Host({ memory, sched: this.sched, trace: this.trace.points, swap, cpus: harts + 1 });
    const { thp = 'never' } = options;
    this.host.thp.enabled = thp;
    this.host.thp.shmemEnabled = SHMEM_LIKE[thp];
    this.oracle = new Oracle(this.host);
    const domain = new TlbDomain(memory);
    const code = new CodeCache(memory);
    const build = (_: unknown, id: number): Hart => new Hart({ domain, code, id, mmu, ad, tlb: SMALL_TLB });
    this.harts = Array.from({ length: harts }, build);
    this.host.start();
    this.run({ boot: () => this.#boot(mmu) });
  }

  get kvm(): Kvm {
    return this.#kvm ?? bug('the test VM was destroyed');
  }

  get mm(): Mm {
    return this.#mm ?? bug('the test process has exited');
  }

  /** The host CPU on which no hart runs. */
  get spareCpu(): number {
    return this.harts.length;
  }

  /** Where guest RAM begins in the process. */
  get ram(): Hva {
    return this.#ram;
  }

  get isRamShared(): boolean {
    return this.#ramFile !== null;
  }

  /** What guest RAM is a shared mapping of. */
  get ramFile(): File {
    return this.#ramFile ?? bug('guest RAM is anonymous');
  }

  hvaOf(gpa: number): Hva {
    return hva(this.#ram + (gpa - RAM));
  }

  gfn(page: number): Gfn {
    return gpaToGfn((RAM + page * PAGE_SIZE) as Gpa);
  }

  *#boot(mmu: MmuKind): Steps {
    const { host, ramPages } = this;
    const bytes = ramPages * PAGE_SIZE;
    const mm = (yield* host.createMm()) ?? bug('no memory for a process');
    this.#mm = mm;
    const file = this.#openRam(bytes);
    const flags = file === null ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    this.#ram = (yield* mmap(mm, 0, bytes, PROT_READ | PROT_WRITE, flags, file, 0)) as Hva;
    const maxMmuPages = this.#options.maxMmuPages ?? 64;
    const kvm = yield* createVm({ host, mm, harts: this.harts, mmu, maxMmuPages });
    if (typeof kvm === 'number') return bug('createVm failed', { errno: kvm });
    this.#kvm = kvm;
    expect(yield* kvmSetMemoryRegion(kvm, this.ramRegion)).toBe(0);
    yield* this.write(RAM, new Uint8Array(GUEST_CODE.buffer));
    if (this.#options.filled !== false) yield* this.#fill();
  }

  #openRam(bytes: number): File | null {
    const { host } = this;
    const { ramBacking = 'anonymous' } = this.#options;
    if (ramBacking === 'shmem') this.#ramFile = memfdCreate(host, bytes);
    if (ramBacking === 'file') {
      this.#disk = new Ext4(host, new MemoryBlockDevice(bytes / PAGE_SIZE));
      this.#ramFile = this.#disk.createFile(bytes);
    }
    return this.#ramFile;
  }

  get ramRegion() {
    return {
      slot: 0,
      flags: 0,
      guestPhysAddr: RAM,
      memorySize: this.ramPages * PAGE_SIZE,
      userspaceAddr: this.#ram,
    };
  }

  *#fill(): Steps {
    const page = new BigUint64Array(PAGE_SIZE / 8);
    for (let number = 1; number < this.ramPages; number++) {
      const base = RAM + number * PAGE_SIZE;
      for (let i = 0; i < page.length; i++) page[i] = BigInt(base + i * 8);
      yield* this.write(base, new Uint8Array(page.buffer));
    }
  }

  /** Writes guest memory as the VMM's devices do. */
  *write(gpa: number, bytes: Uint8Array): Steps {
    expect(yield* copyToUser(this.mm, this.spareCpu, this.hvaOf(gpa), bytes)).toBe(0);
  }

  *write64(gpa: number, value: bigint): Steps {
    yield* this.write(gpa, new Uint8Array(BigUint64Array.of(value).buffer));
  }

  *read64(gpa: number): Steps<bigint> {
    const bytes = new Uint8Array(8);
    expect(yield* copyFromUser(this.mm, this.spareCpu, this.hvaOf(gpa), bytes)).toBe(0);
    return new BigUint64Array(bytes.buffer)[0]!;
  }

  /** Runs the bodies, a task each, until all have ended. On host CPU i where the name ends in /i, else on the spare. */
  run(bodies: Readonly<Record<string, () => Steps>>): void {
    let running = 0;
    const counted = function* (body: () => Steps): Steps {
      yield* body();
      running--;
    };
    for (const [name, body] of Object.entries(bodies)) {
      running++;
      const cpu = /\/(\d+)$/.exec(name)?.[1];
      this.sched.spawn(name, counted(body), cpu === undefined ? this.spareCpu : Number(cpu));
    }
    const limit = this.sched.steps + MAX_STEPS;
    const end = this.sched.run(() => {
      if (this.sched.steps > limit) throw new Error('livelock: a test takes for ever');
      this.#checkIfDue();
      return running === 0;
    });
    if (end === 'deadlock') throw new Error(`deadlock: ${this.sched.describeBlocked().join('; ')}`);
  }

  /** The oracle's view of now; throws nothing. */
  check(): void {
    if (this.#kvm !== null) this.oracle.check(this.#kvm);
  }

  /** Nothing is under way that the oracle could take for a violation. */
  get isQuiet(): boolean {
    return this.sched.tasks.every(({ atomicDepth }) => atomicDepth === 0);
  }

  #checkIfDue(): void {
    if (this.sched.steps < this.#nextCheck || this.#kvm === null || !this.isQuiet) return;
    this.#nextCheck = this.sched.steps + this.#checkEvery;
    this.check();
  }

  /** Ends the process and the VM; nothing may be broken, and nothing left. `first`: which of the two goes first. */
  finish(first: 'process' | 'vm' = 'process'): void {
    // Exploring, the host's own tasks may be in the middle of something.
    this.sched.run(() => this.isQuiet);
    this.check();
    this.run({ teardown: () => this.#teardown(first) });
    this.expectNothingLeft();
    expect(this.oracle.violations).toEqual([]);
  }

  *#teardown(first: 'process' | 'vm'): Steps {
    const { kvm, mm } = this;
    if (first === 'vm') yield* destroyVm(kvm);
    yield* exitMm(mm);
    if (first === 'process') yield* destroyVm(kvm);
    expect({ used: kvm.usedMmuPages, pages: kvm.shadowPages.size, frames: kvm.pageOfFrame.size }).toEqual({
      used: 0,
      pages: 0,
      frames: 0,
    });
    const { pages_4k, pages_2m, mmu_unsync } = kvm.stats;
    expect([kvm.pagesOfGfn.size, kvm.indirectShadowPages, mmu_unsync]).toEqual([0, 0, 0]);
    expect([pages_4k, pages_2m]).toEqual([0, 0]);
    yield* fput(this.#ramFile);
    if (this.#disk !== null) yield* this.#disk.unmount();
    this.#kvm = null;
    this.#mm = null;
  }

  expectNothingLeft(): void {
    const { host, sched, trace, ring } = this;
    settle({ host, sched, trace, ring });
    expectNothingLeaked({ host, sched, trace, ring });
  }
}
