// What is explored: a small host with one process whose memory is a guest's RAM, a VM over it, and a guest of a few
// instructions; built once and brought back to its start before each run (journal/).
//
// A scenario (scenario.ts) says what is in it; the explorer (explorer.ts) runs its tasks again and again. The parts
// are those that machine.ts builds, without the VMM's board: guest code begins at the symbol of its vCPU and ends at
// `done`.
//
// Invariant: between build() and the first run nothing is under way: no task is left, no generator is alive.

import { CodeCache, Hart, hartDeviceBytes } from '../hw/hart/index.ts';
import { registerNumber } from '../hw/isa/index.ts';
import { PhysicalMemory } from '../hw/memory/index.ts';
import { TlbDomain, type TlbGeometry } from '../hw/tlb/index.ts';
import { createVm, type Kvm, kvmSetMemoryRegion, type Vcpu, vcpuRun } from '../kvm/index.ts';
import {
  copyFromUser,
  copyToUser,
  Ext4,
  type File,
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
} from '../mm/index.ts';
import { FrameKind } from '../mm/internals.ts';
import { Oracle, type WatchedDevice } from '../oracle/index.ts';
import { type Idle, Scheduler, type Steps, type Task } from '../sched/index.ts';
import { type Stamp, Trace } from '../trace/index.ts';
import {
  bug,
  type Gfn,
  type Gpa,
  gpaToGfn,
  type Hpa,
  type Hva,
  hiWord,
  hpaToPfn,
  hva,
  loWord,
  PAGE_SIZE,
} from '../units.ts';
import { GuestContents } from './contents.ts';
import { stillReached } from './cpuTlbs.ts';
import { FollowedHart } from './followedHart.ts';
import { GuestCode } from './guestCode.ts';
import { Hardware } from './hardware.ts';
import type { Scenario, VmShape } from './scenario.ts';
import type { Steering } from './steering.ts';

/** Where guest RAM begins: page 0 holds the guest's code. */
export const RAM = 0x8000_0000;
/** The smallest that keeps contexts apart: what is explored touches a few pages. */
const TLB: TlbGeometry = { contexts: 2, dtlbEntries: 16, itlbEntries: 16, l2Entries: 16 };
const CPU_TLB_ENTRIES = 16;
/** Stops of tasks that run while nobody has a choice: the longest honest set-ups make some thousands. */
const MAX_ALONE = 100_000;

export class World {
  readonly sched: Scheduler;
  readonly trace: Trace;
  readonly host: Host;
  readonly harts: readonly Hart[];
  readonly oracle: Oracle;
  readonly contents: GuestContents;
  /** By hart. */
  readonly followed: readonly FollowedHart[];
  readonly hardware: Hardware;
  readonly vm: Required<VmShape>;
  /** Told when a hart is about to run, and when a task looks whether all is right. */
  walked: () => void = () => {};
  looked: () => void = () => {};
  /** Processes that the scenario has made beside the VM's. */
  readonly others: Mm[] = [];
  /** Devices that the scenario has opened. */
  readonly devices: WatchedDevice[] = [];
  /** Guest physical addresses of the pages of RAM. */
  readonly ramAddresses: readonly number[];
  readonly code: GuestCode;
  readonly #scenario: Scenario;
  readonly #steering: Steering;
  #mm: Mm | null = null;
  #kvm: Kvm | null = null;
  #ram = 0 as Hva;
  #file: File | null = null;

  /** Throws AssemblerError and InputError for the scenario's guest. */
  constructor(steering: Steering, scenario: Scenario) {
    this.vm = {
      vcpus: scenario.guest === undefined ? 0 : 1,
      mmu: 'shadow',
      ad: 'hardware',
      ramPages: 4,
      ram: 'anonymous',
      maxMmuPages: 64,
      ...scenario.vm,
    };
    this.ramAddresses = Array.from({ length: this.vm.ramPages }, (_, number) => this.page(number));
    this.#scenario = scenario;
    this.#steering = steering;
    const { vcpus, mmu, ad } = this.vm;
    const { frames = 64, swapPages = 16, cpus = 1 } = scenario.host ?? {};
    const memory = new PhysicalMemory({ frames, deviceBytes: vcpus * (hartDeviceBytes(TLB) + 4096) });
    this.sched = new Scheduler(steering);
    this.trace = new Trace(stampOf(this.sched));
    const swap = swapPages > 0 ? new MemorySwapDevice(swapPages + 1) : null;
    swap?.makePages();
    this.host = new Host({
      memory,
      sched: this.sched,
      trace: this.trace.points,
      swap,
      cpus: vcpus + cpus,
      cpuTlbEntries: CPU_TLB_ENTRIES,
    });
    this.oracle = new Oracle(this.host);
    this.#watchFrees();
    const domain = new TlbDomain(memory);
    const code = new CodeCache(memory);
    this.harts = Array.from({ length: vcpus }, (_, id) => new Hart({ domain, code, id, mmu, ad, tlb: TLB }));
    this.code = new GuestCode(scenario.guest, RAM);
    this.contents = new GuestContents(this, scenario.paging ?? null);
    this.followed = this.harts.map((hart) => new FollowedHart(this, hart));
    this.#run('boot', this.#boot());
    this.hardware = new Hardware(this);
  }

  get kvm(): Kvm {
    return this.#kvm ?? bug('the process runs no VM');
  }

  /** Null: the scenario has no guest. */
  get vmOrNull(): Kvm | null {
    return this.#kvm;
  }

  get mm(): Mm {
    return this.#mm ?? bug('the process has exited');
  }

  /** What guest RAM is a shared mapping of. */
  get file(): File {
    return this.#file ?? bug('guest RAM is anonymous');
  }

  /** The first host CPU on which no vCPU runs. */
  get spareCpu(): number {
    return this.harts.length;
  }

  /** The host CPU of the scenario's task number `index`: those without a vCPU, in turn. */
  cpuOf(index: number): number {
    return this.spareCpu + (index % (this.host.cpus.length - this.spareCpu));
  }

  vcpu(index: number): Vcpu {
    return this.kvm.vcpus[index] ?? bug('no such vCPU', { index });
  }

  /** Guest physical address of page `number` of RAM. */
  page(number: number): number {
    return RAM + number * PAGE_SIZE;
  }

  gfn(number: number): Gfn {
    return gpaToGfn(this.page(number) as Gpa);
  }

  hvaOf(address: number): Hva {
    return hva(this.#ram + (address - RAM));
  }

  /** The process's address of page `number` of guest RAM. */
  hva(number: number): Hva {
    return this.hvaOf(this.page(number));
  }

  /** Sets registers of vCPU `index`, by name, to whole numbers. */
  setRegisters(index: number, values: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(values)) {
      this.harts[index]!.setX(
        registerNumber(name) ?? bug('no such register', { name }),
        loWord(value),
        hiWord(value),
      );
    }
  }

  /** Byte of guest RAM at guest physical `address`. */
  offsetOf(address: number): number {
    const offset = address - RAM;
    if (!(offset >= 0 && offset < this.vm.ramPages * PAGE_SIZE))
      bug('not an address of guest RAM', { address });
    return offset;
  }

  /** I1: a frame that is freed is in no TLB of a CPU or device. */
  #watchFrees(): void {
    const { frames } = this.host;
    const release = frames.release.bind(frames);
    frames.release = (pfn) => {
      const found = stillReached(this.host, this.devices, pfn);
      if (found !== null) this.oracle.report(found.invariant, found.message);
      release(pfn);
    };
  }

  /** A run begins: the threads of the vCPUs that have something to run. */
  spawnVcpus(): Task[] {
    const threads: Task[] = [];
    for (const hart of this.harts) {
      const thread = this.code.has(hart.id)
        ? this.sched.spawn(`vcpu${hart.id}`, this.runGuest(hart.id), hart.id)
        : null;
      if (thread !== null) threads.push(thread);
      this.followed[hart.id]!.begin(thread);
    }
    this.hardware.begin();
    return threads;
  }

  /** The vCPU of hart `index`, if the VM is there. */
  vcpuOf(index: number): Vcpu | null {
    return this.#kvm?.vcpus[index] ?? null;
  }

  /** The process's address space, if CPU `cpu` has it loaded. */
  loadedOn(cpu: number): Mm | null {
    const mm = this.#mm;
    return mm !== null && mm.mmUsers > 0 && (mm.cpuMask & (1 << cpu)) !== 0 ? mm : null;
  }

  /** CPU `cpu` walks for a load of page `number` of guest RAM, by the process's tables, which map it. */
  fillCpu(cpu: number, number: number): void {
    const { mm } = this;
    const reached = this.host.cpus[cpu]!.tlb.translate(mm.id, mm.root, this.hva(number), false);
    if (this.host.frames.kind[hpaToPfn(reached as Hpa)] === FrameKind.free)
      this.oracle.report('I1', `cpu ${cpu} walked to a free frame for page ${number}`);
  }

  /** Runs `body` with nobody but the host's own threads, which are gone again when it has ended. */
  setUp(body: Steps): void {
    this.host.start();
    this.rest('set-up');
    this.#run('set-up', body);
    this.rest('set-up');
    this.sched.restore(this.sched.state);
  }

  /** As setUp(), where the host's threads run already and go on. */
  finish(body: Steps): void {
    this.#run('finish', body);
  }

  /** Lets what is still under way (swap I/O) come to its end. A bug where that never is; `when`: in words. */
  rest(when: string): void {
    this.#runAlone(when, () => false);
  }

  #run(name: string, body: Steps): void {
    const task = this.sched.spawn(name, body, this.spareCpu);
    const end = this.#runAlone(name, () => task.state === 'done');
    if (end === 'deadlock') bug(`deadlock in ${name}: ${this.sched.describeBlocked().join('; ')}`);
  }

  #runAlone(when: string, until: () => boolean): Idle {
    const { sched } = this;
    const limit = sched.steps + MAX_ALONE;
    const end = this.#steering.alone(() => sched.run(() => until() || sched.steps > limit));
    if (sched.steps > limit) bug(`livelock in ${when}: no end after ${MAX_ALONE} stops`);
    return end;
  }

  *#boot(): Steps {
    const { host, vm } = this;
    const mm = (yield* host.createMm()) ?? bug('no memory for a process');
    this.#mm = mm;
    const bytes = vm.ramPages * PAGE_SIZE;
    this.#file = newFile(host, vm);
    const flags = this.#file === null ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    this.#ram = (yield* mmap(mm, 0, bytes, PROT_READ | PROT_WRITE, flags, this.#file, 0)) as Hva;
    if (this.#scenario.guest !== undefined) yield* this.#bootVm(mm, bytes);
  }

  *#bootVm(mm: Mm, memorySize: number): Steps {
    const { host, harts, code, vm } = this;
    const kvm = yield* createVm({ host, mm, harts, mmu: vm.mmu, maxMmuPages: vm.maxMmuPages });
    if (typeof kvm === 'number') return bug('createVm failed', { errno: kvm });
    this.#kvm = kvm;
    const region = { slot: 0, flags: 0, guestPhysAddr: RAM, memorySize, userspaceAddr: this.#ram };
    const error = yield* kvmSetMemoryRegion(kvm, region);
    if (error !== 0) bug('no memslot', { error });
    for (const { address, fileBytes } of code.segments) yield* this.write(address, fileBytes);
    for (const hart of harts) hart.setPc(code.entryOf(hart.id) | 0, 0);
  }

  /** Writes guest memory as the VMM's devices do; -errno where it cannot be. */
  *store(address: number, bytes: Uint8Array): Steps<number> {
    const error = yield* copyToUser(this.mm, this.sched.current.cpu, this.hvaOf(address), bytes);
    if (error === 0) this.contents.written(address, bytes);
    return error;
  }

  *write(address: number, bytes: Uint8Array): Steps {
    const error = yield* this.store(address, bytes);
    if (error !== 0) bug('guest memory cannot be written', { address, error });
  }

  *write64(address: number, value: bigint): Steps {
    yield* this.write(address, new Uint8Array(BigUint64Array.of(value).buffer));
  }

  *read64(address: number): Steps<bigint> {
    const bytes = new Uint8Array(8);
    const error = yield* copyFromUser(this.mm, this.sched.current.cpu, this.hvaOf(address), bytes);
    if (error !== 0) bug('guest memory cannot be read', { address, error });
    const value = new BigUint64Array(bytes.buffer)[0]!;
    this.contents.read64(`cpu ${this.sched.current.cpu}`, address, value);
    return value;
  }

  /** The body of vCPU `index`'s thread: its code, an instruction at a time, up to `done`. */
  *runGuest(index: number): Steps {
    const vcpu = this.vcpu(index);
    const done = this.code.addressOf('done');
    while (vcpu.hart.pc !== done) {
      yield* vcpuRun(vcpu, 1);
      const { exitReason, errno } = vcpu.run;
      if (exitReason === 'intr') continue;
      if (this.#scenario.mayEnd?.includes(exitReason) === true) return;
      this.oracle.report('I9', `vcpu ${index} left the guest: ${exitReason}, errno ${errno}`);
      return;
    }
  }

  /** Part of a setup: vCPU `index` runs from the symbol `warm` to `done`, and is put back to its start. */
  *warmUp(index: number): Steps {
    const { hart } = this.vcpu(index);
    hart.setPc(this.code.addressOf('warm') | 0, 0);
    yield* this.runGuest(index);
    hart.setPc(this.code.entryOf(index) | 0, 0);
  }
}

/** What stands behind guest RAM, if not anonymous memory; a file is all holes. */
function newFile(host: Host, { ram, ramPages }: Required<VmShape>): File | null {
  if (ram === 'anonymous') return null;
  if (ram === 'shmem') return memfdCreate(host, ramPages * PAGE_SIZE);
  return new Ext4(host, new MemoryBlockDevice(ramPages)).createFile(ramPages * PAGE_SIZE);
}

/** Virtual ns in traces: virtual time hardly passes in a scenario, so each step counts as a microsecond. */
const STEP_NS = 1000;

const stampOf = (sched: Scheduler): Stamp => ({
  get now() {
    return sched.steps * STEP_NS;
  },
  get currentId() {
    return sched.currentId;
  },
});
