// A lab: a host, a VM on it and a guest in the VM, in a few lines; what a test is written with.
//
// The guest runs when it is told to and stands otherwise, so that a test can look at it, and have its host do something
// to it, between two of its instructions. Everything is a function of the options and of what was called, in order.
//
// Over machine.ts, which it hands out: what a lab has no word for, `lab.machine` and `lab.do()` do.

import { assemble } from './asm/index.ts';
import type { GuestDebug } from './kvm/index.ts';
import { createMachine, type Machine, type MachineConfig, type Violation } from './machine.ts';
import { MADV_PAGEOUT, MemorySwapDevice, madvise, migrateUserPages, shrinkAllMemory } from './mm/index.ts';
import { forEachPte, inspectPage, inspectPte, isPresentPte, isSwapPte } from './mm/internals.ts';
import type { Steps } from './sched/index.ts';
import {
  type EventName,
  printEvent,
  type RecordOf,
  selectEvents,
  TaskNames,
  type TraceRecord,
} from './trace/index.ts';
import { bug, type Hva, hva, PAGE_SIZE } from './units.ts';
import { type ElfImage, InputError, Layout, readProgram, type StopRecord } from './vmm/index.ts';

/** Bytes, or digits and K, M or G. */
export type Size = number | `${number}${'K' | 'M' | 'G'}`;

export interface LabOptions {
  /** RV64 assembly, the bytes of an ELF executable, or one that has been read. */
  readonly guest: string | Uint8Array | ElfImage;
  /** Of the guest, whole pages; default 4M. */
  readonly ram?: Size;
  /** Of the host, page tables and shadow tables included; 128K at least, default 2M. */
  readonly hostRam?: Size;
  /** What the VM's process may have of that (memory.max), its page tables left out; default: no limit. */
  readonly memoryMax?: Size;
  /** Swap, in memory; 0: none. Default 64M. */
  readonly swap?: Size;
  /** As of `umbra run`: defaults 1, shadow, hardware, 1. */
  readonly vcpus?: number;
  readonly mmu?: MachineConfig['mmu'];
  readonly ad?: MachineConfig['ad'];
  readonly seed?: number;
  /** What the invariants are checked at; default 'on': between slices, and at the end. */
  readonly check?: MachineConfig['check'];
}

/** An invariant is broken: what comes after it means nothing. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
  readonly violation: Violation;

  constructor(violation: Violation) {
    super(`broken invariant ${violation.invariant}: ${violation.message}`);
    this.violation = violation;
  }
}

/** Virtual ns that a hart takes to be turned away while it stands: what sleeps must get its turn. */
const STANDING_COST = 1000;
const MAX_VCPUS = 16;
const LEAST_HOST = 2 ** 17;
const UNITS = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

export class Lab {
  readonly machine: Machine;
  /** What the guest has printed. */
  output = '';
  /** Instructions that the harts may still execute. */
  #left = 0;
  #isClosed = false;
  /** Pages of RAM that have been in swap. */
  readonly #swapped = new Set<number>();
  readonly #tasks: TaskNames;
  /** In place of kvm's own way into the guest: lets harts run as far as they may. */
  readonly #hold: GuestDebug = {
    run: ({ hart, kvm, run }, budget) => {
      if (this.#left <= 0) {
        kvm.sched.spend(STANDING_COST);
        // KVM_RUN returns, as with immediate_exit, so that the thread sees whether the machine was stopped.
        run.exitReason = 'intr';
        hart.kick();
        return hart.run(budget);
      }
      const before = hart.attempted;
      const reason = hart.run(Math.min(budget, this.#left));
      this.#left -= hart.attempted - before;
      return reason;
    },
  };

  /**
   * Starts the VM; nothing of the guest has run. Throws AssemblerError and InputError.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: j _start`, ram: '1M', hostRam: '512K' });
   * expect(lab.machine.instructions).toBe(0);
   * ```
   */
  constructor(options: LabOptions) {
    const { vcpus = 1, mmu = 'shadow', ad = 'hardware', seed = 1, check = 'on' } = options;
    if (!(Number.isInteger(vcpus) && vcpus >= 1 && vcpus <= MAX_VCPUS))
      throw new InputError(`a VM has 1 to ${MAX_VCPUS} vCPUs, not ${vcpus}`);
    const ramBytes = bytesOf(options.ram ?? '4M');
    const hostRamBytes = bytesOf(options.hostRam ?? '2M');
    if (hostRamBytes < LEAST_HOST) throw new InputError(`a host needs ${LEAST_HOST / 2 ** 10}K at least`);
    const swapBytes = bytesOf(options.swap ?? '64M');
    const decoder = new TextDecoder();
    this.machine = createMachine({
      image: imageOf(options.guest, ramBytes),
      ramBytes,
      hostRamBytes,
      ...(options.memoryMax === undefined ? {} : { memoryMaxBytes: bytesOf(options.memoryMax) }),
      vcpus,
      mmu,
      ad,
      seed,
      check,
      // The slot of the header is nobody's.
      swap: swapBytes === 0 ? null : new MemorySwapDevice(swapBytes / PAGE_SIZE + 1),
      swapBackend: swapBytes === 0 ? 'none' : 'memory',
      console: (bytes) => {
        this.output += decoder.decode(bytes, { stream: true });
      },
      ring: null,
      maxInstructions: Number.POSITIVE_INFINITY,
    });
    this.#tasks = new TaskNames((id) => this.machine.sched.taskOf(id));
    this.on('try_to_unmap', ({ fields: { mm, address } }) => {
      const page = mm === this.machine.vmm.kvm?.mm.id ? this.#pageAt(address) : null;
      if (page !== null) this.#swapped.add(page);
    });
    this.#boot();
  }

  /** How the guest stopped; null: it has not. */
  get stop(): StopRecord | null {
    return this.machine.stop;
  }

  /**
   * Lets the guest run until it stops, or for exactly so many instructions of all harts together. Answers how it stopped;
   * null: it has not. Throws BrokenInvariant.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: addi a0, a0, 1\n j _start` });
   * expect(lab.run({ instructions: 10 })).toBe(null);
   * expect(lab.machine.instructions).toBe(10);
   * ```
   */
  run({
    instructions = Number.POSITIVE_INFINITY,
  }: {
    readonly instructions?: number;
  } = {}): StopRecord | null {
    this.#left = instructions;
    for (const vcpu of this.machine.vmm.kvm?.vcpus ?? [])
      vcpu.debug = instructions === Number.POSITIVE_INFINITY ? null : this.#hold;
    for (let state = 'running'; state === 'running' && this.#left > 0; ) {
      state = this.machine.runSlice(() => this.#left <= 0);
      if (state === 'broken') throw new BrokenInvariant(this.machine.check.violations[0]!);
    }
    this.#stand();
    return this.stop;
  }

  /**
   * Runs steps of host code as a task of the host, to their end, while the guest stands: any operation of the mm.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: sd a0, 0(sp)\n j _start` });
   * const { mm } = lab.machine.vmm.kvm!;
   * const error = lab.do(madvise(mm, lab.hva(0x80000000), 4096, MADV_PAGEOUT));
   * expect(error).toBe(0);
   * ```
   */
  do<T>(steps: Steps<T>): T {
    let result: T | undefined;
    const { sched } = this.machine;
    const task = sched.spawn(
      'lab',
      (function* () {
        result = yield* steps;
      })(),
    );
    if (sched.run(() => task.state === 'done') === 'deadlock') {
      bug('an operation of the host waits for ever', { blocked: sched.describeBlocked() });
    }
    return result as T;
  }

  /**
   * Has the host free so many pages by its own choice, as kswapd would. Answers how many they were.
   *
   * ```ts
   * const lab = new Lab({ guest: FILL_AND_VERIFY });
   * lab.run({ instructions: 5000 });
   * expect(lab.reclaim(16)).toBeGreaterThan(0);
   * ```
   */
  reclaim(pages: number): number {
    return this.do(shrinkAllMemory(this.machine.host, pages));
  }

  /**
   * Has the host swap out pages of guest memory, all if no range is given (MADV_PAGEOUT). Answers how many are in swap
   * then.
   *
   * ```ts
   * const lab = new Lab({ guest: FILL_AND_VERIFY });
   * lab.run({ instructions: 5000 });
   * lab.pageOut();
   * expect(lab.pages().resident).toBe(0);
   * ```
   */
  pageOut(address: number = Layout.ram, length: number = this.#ramBytes): number {
    const error = this.do(madvise(this.#mm, this.hva(address), length, MADV_PAGEOUT));
    if (error !== 0) throw new InputError(`pageOut: errno ${-error}`);
    return this.pages().swapped;
  }

  /**
   * Has the host move pages of guest memory to other frames, all if no range is given. Answers how many did not move.
   *
   * ```ts
   * const lab = new Lab({ guest: FILL_AND_VERIFY });
   * lab.run({ instructions: 5000 });
   * expect(lab.migrate()).toBe(0);
   * ```
   */
  migrate(address: number = Layout.ram, length: number = this.#ramBytes): number {
    return this.do(migrateUserPages(this.#mm, this.hva(address), length));
  }

  /**
   * Where pages of guest memory are now, and how many of these have been in swap at some time.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: j _start` });
   * lab.run({ instructions: 1 });
   * lab.pageOut();
   * expect(lab.pages()).toMatchObject({ resident: 0, everSwapped: lab.pages().swapped });
   * ```
   */
  pages(): { readonly resident: number; readonly swapped: number; readonly everSwapped: number } {
    const counts = { resident: 0, swapped: 0, everSwapped: 0 };
    forEachPte(this.#mm, (address, pte) => {
      const page = this.#pageAt(address);
      if (page === null) return;
      if (isSwapPte(pte)) counts.swapped++;
      else if (isPresentPte(pte)) counts.resident++;
      else return;
      if (this.#swapped.has(page)) counts.everSwapped++;
    });
    return counts;
  }

  /**
   * Bytes of guest memory as the guest would read them. Looking moves nothing. Throws InputError outside RAM.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: j _start\n .asciz "hello"` });
   * expect(new TextDecoder().decode(lab.read(0x80000004, 5))).toBe('hello');
   * ```
   */
  read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const page = new Uint8Array(PAGE_SIZE);
    for (let done = 0; done < length; ) {
      const at = this.hva(address + done);
      const offset = (address + done) % PAGE_SIZE;
      const piece = Math.min(PAGE_SIZE - offset, length - done);
      if (inspectPage(this.#mm, inspectPte(this.#mm, hva(at - offset)), page))
        bytes.set(page.subarray(offset, offset + piece), done);
      done += piece;
    }
    return bytes;
  }

  /** Where the VMM's process has what is at a guest physical address. Throws InputError outside RAM. */
  hva(address: number): Hva {
    if (!(address >= Layout.ram && address < Layout.ram + this.#ramBytes))
      throw new InputError(`0x${address.toString(16)} is not in the guest's RAM`);
    return hva(this.machine.vmm.ramAddress + (address - Layout.ram));
  }

  /**
   * Calls `listener` at each event of that name from now on, with fields that the compiler knows. Answers the function
   * that ends it.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: j _start` });
   * const frames: number[] = [];
   * const off = lab.on('fault_check', ({ fields }) => frames.push(fields.pfn));
   * lab.run({ instructions: 1 });
   * off();
   * expect(frames).toHaveLength(1);
   * ```
   */
  on<Name extends EventName>(name: Name, listener: (record: RecordOf<Name>) => void): () => void {
    return this.machine.trace.subscribe(name, listener);
  }

  /**
   * The events that match any of the patterns (as of `umbra trace -e`) while `action` runs. Throws TraceError for a
   * pattern that names none.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: j _start` });
   * lab.run({ instructions: 1 });
   * const records = lab.trace(['mmu_notifier'], () => lab.pageOut(0x80000000, 4096));
   * expect(records.at(-1)!.event).toBe('invalidate_range_end');
   * ```
   */
  trace(patterns: readonly string[], action: () => void): TraceRecord[] {
    const records: TraceRecord[] = [];
    const offs = selectEvents(patterns).map((name) => this.on(name, (record) => records.push(record)));
    try {
      action();
    } finally {
      for (const off of offs) off();
    }
    return records;
  }

  /** A record as ftrace prints it, without task and time. */
  print(record: TraceRecord): string {
    return `${record.event}: ${printEvent(record, this.#tasks)}`;
  }

  /**
   * Looks at the invariants now: translations, rmap, references. Answers all that was ever found.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: j _start` });
   * lab.run({ instructions: 100 });
   * expect(lab.check()).toEqual([]);
   * ```
   */
  check(): readonly Violation[] {
    const { kvm } = this.machine.vmm;
    if (kvm !== null) this.machine.oracle.check(kvm);
    return this.machine.check.violations;
  }

  /**
   * Ends the guest, if it has not ended, its process and its VM, and looks for what they left behind. Answers all that was
   * ever found.
   *
   * ```ts
   * const lab = new Lab({ guest: FILL_AND_VERIFY, hostRam: '512K' });
   * lab.run();
   * expect(lab.close()).toEqual([]);
   * ```
   */
  close(): readonly Violation[] {
    if (!this.#isClosed) {
      this.machine.vmm.stopWith({ via: null, code: 0, crash: null, reason: 'the lab was closed' });
      this.machine.shutdown();
    }
    this.#isClosed = true;
    return this.machine.check.violations;
  }

  get #ramBytes(): number {
    return this.machine.config.ramBytes;
  }

  get #mm() {
    return (this.machine.vmm.kvm ?? bug('the VM is gone: the lab was closed, or had no room for it')).mm;
  }

  /** To where vCPU threads are about to begin. */
  #boot(): void {
    const { machine } = this;
    const hasThreads = (): boolean => machine.sched.tasks.some(({ name }) => name.startsWith('vcpu/'));
    while (!hasThreads() && machine.stop === null) machine.runSlice(hasThreads);
    this.#stand();
  }

  #stand(): void {
    this.#left = 0;
    for (const vcpu of this.machine.vmm.kvm?.vcpus ?? []) vcpu.debug = this.#hold;
  }

  #pageAt(address: number): number | null {
    const page = Math.floor((address - this.machine.vmm.ramAddress) / PAGE_SIZE);
    return page >= 0 && page < this.#ramBytes / PAGE_SIZE ? page : null;
  }
}

function bytesOf(size: Size): number {
  const match = /^(\d+)([KMG]?)$/.exec(`${size}`);
  if (match === null) throw new InputError(`'${size}' is no size: bytes, or digits and K, M or G`);
  const bytes = Number(match[1]) * (UNITS[match[2] as keyof typeof UNITS] ?? 1);
  if (bytes % PAGE_SIZE !== 0) throw new InputError(`'${size}' is not whole pages of 4K`);
  return bytes;
}

function imageOf(guest: LabOptions['guest'], ramBytes: number): ElfImage {
  if (typeof guest !== 'string' && !(guest instanceof Uint8Array)) return guest;
  const elf = typeof guest === 'string' ? assemble(`${guest}\n`, { file: 'guest' }).elf : guest;
  return readProgram(elf, 'guest', ramBytes);
}
