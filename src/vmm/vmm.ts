// The VMM: the user-space process that owns a guest's memory, creates its VM through kvm, and runs its vCPUs (what QEMU
// or kvmtool is to KVM).
//
// machine.ts builds one and spawns `boot`, which spawns a vCPU thread per hart (vcpuThread.ts). After the guest stopped,
// or was stopped, `teardown` ends the process. One instruction takes 1 ns of virtual time.
//
// Invariants: `stop` is written once; then every vCPU thread is woken and ends. spent[i] of the instructions that hart i
// attempted are counted in virtual time.

import {
  createVm,
  destroyVm,
  deviceStored,
  type Kvm,
  type KvmOptions,
  kvmSetMemoryRegion,
  kvmVcpuKick,
  trackWrites,
  type Vcpu,
} from '../kvm/index.ts';
import type { File, Host, MemCgroup } from '../mm/index.ts';
import { type Scheduler, type Steps, WaitQueue } from '../sched/index.ts';
import { bug, gpa, gpaToGfn, type Hva } from '../units.ts';
import { Alarms } from './alarms.ts';
import { Board } from './board.ts';
import type { ClintHost } from './clint.ts';
import { outOfMemoryReport } from './crash.ts';
import { boardDeviceTree } from './deviceTree.ts';
import type { ElfImage } from './elf.ts';
import { Layout } from './layout.ts';
import { createProcess, endProcess, type RamBacking, type VmmProcess } from './process.ts';
import { loadProgram, placeDeviceTree } from './program.ts';
import { crashed, type StopRecord, stoppedByLimit } from './stop.ts';
import { vcpuThread } from './vcpuThread.ts';

export interface VmmConfig extends Pick<KvmOptions, 'harts' | 'mmu' | 'maxMmuPages'> {
  readonly host: Host;
  readonly image: ElfImage;
  readonly ramBytes: number;
  readonly ramBacking: RamBacking;
  /** Of the process, or null. */
  readonly memcg: MemCgroup | null;
  /** What the harts are, for the device tree: "rv64imac_...". */
  readonly isa: string;
  /** Takes what the guest prints; the bytes are valid during the call only. */
  readonly console: (bytes: Uint8Array) => void;
  /** The machine stops after exactly so many instructions of all harts; Infinity for never. */
  readonly maxInstructions: number;
}

/** Instructions that a vCPU thread runs before others get the CPU; more where there is no other hart to wait for it. */
const QUANTUM = 100_000;
const QUANTUM_ALONE = 500_000;
const A0 = 10;
const A1 = 11;

export class Vmm {
  readonly sched: Scheduler;
  readonly board: Board;
  readonly #config: VmmConfig;
  readonly #alarms: Alarms;
  readonly #spent: Float64Array;
  /** What each hart's run may bring `attempted` to; behind it while none is under way. */
  readonly #granted: Float64Array;
  /** Where vCPU threads wait that the limit leaves nothing for, until another gives back what it has not used. */
  readonly #grantReturned: WaitQueue;
  readonly #threadEnded: WaitQueue;
  #threads = 0;
  /** The vCPU of each thread, by the id of its task. */
  readonly #vcpuOfTask: number[] = [];
  #owner: VmmProcess | null = null;
  /** From boot to teardown. */
  kvm: Kvm | null = null;
  stop: StopRecord | null = null;

  constructor(config: VmmConfig) {
    const { host, image, harts, console } = config;
    this.#config = config;
    this.sched = host.sched;
    this.#threadEnded = new WaitQueue(this.sched, 'vmm: vCPU threads');
    this.#spent = new Float64Array(harts.length);
    this.#granted = new Float64Array(harts.length);
    this.#grantReturned = new WaitQueue(this.sched, 'vmm: the last instructions');
    this.#alarms = new Alarms(this.sched, harts.length, (hart) => this.#kick(hart));
    this.board = new Board({
      sched: this.sched,
      image,
      harts: harts.length,
      memory: {
        read: (address, into) => this.#memory.read(address, into),
        write: (address, bytes) => this.#storeByDevice(address, bytes),
      },
      clintHost: this.#clintHost(),
      console,
      stop: (record) => this.stopWith(record),
    });
  }

  /** Instructions that all harts together have executed: retired, or trapped. */
  get instructions(): number {
    return this.#config.harts.reduce((sum, hart) => sum + hart.attempted, 0);
  }

  /** Where guest RAM lies in the process; from boot to teardown. */
  get ramAddress(): Hva {
    return this.#memory.ram;
  }

  /** What guest RAM is a shared mapping of; null: it is anonymous. From boot to teardown. */
  get ramFile(): File | null {
    return this.#memory.file;
  }

  // From power-on to the end

  /** Body of the task that makes the VM and starts its vCPUs. */
  *boot(): Steps {
    const { host, ramBytes, ramBacking, memcg, harts, mmu, maxMmuPages } = this.#config;
    const owner = yield* createProcess(host, ramBytes, ramBacking, memcg);
    if (typeof owner === 'number') return this.#failBoot(owner);
    this.#owner = owner;
    const kvm = yield* createVm({ host, mm: owner.mm, harts, mmu, maxMmuPages });
    if (typeof kvm === 'number') return this.#failBoot(kvm);
    this.kvm = kvm;
    const deviceTree = yield* this.#load(owner, kvm);
    if (deviceTree < 0) return this.#failBoot(deviceTree);
    for (const vcpu of kvm.vcpus) this.#start(vcpu, deviceTree);
  }

  /** Stops the guest, unless something has stopped it before. */
  stopWith(record: StopRecord): void {
    if (this.stop !== null) return;
    this.stop = record;
    this.#grantReturned.wakeAll();
    this.#config.harts.forEach((_, hart) => {
      this.#kick(hart);
    });
  }

  /**
   * Body of the task that ends the process, once the guest is stopped: waits for the vCPU threads, then its memory goes
   * (the mm's notifiers tell kvm), then the VM.
   */
  *teardown(): Steps {
    if (this.stop === null) bug('teardown of a guest that runs');
    yield* this.#threadEnded.until(() => this.#threads === 0);
    if (this.#owner !== null) yield* endProcess(this.#owner);
    if (this.kvm !== null) yield* destroyVm(this.kvm);
    this.#owner = null;
    this.kvm = null;
  }

  #failBoot(error: number): void {
    this.stopWith(crashed(outOfMemoryReport('loading the program', error, this.#config.memcg)));
  }

  /** Guest memory and the programs in it. The address of the device tree (0: it found no room), or -errno. */
  *#load(owner: VmmProcess, kvm: Kvm): Steps<number> {
    const { image, ramBytes, harts, isa } = this.#config;
    const { ram } = owner;
    let error = yield* kvmSetMemoryRegion(kvm, {
      slot: 0,
      flags: 0,
      guestPhysAddr: Layout.ram,
      memorySize: ramBytes,
      userspaceAddr: ram,
    });
    if (error === 0) error = yield* loadProgram(owner, image);
    if (error !== 0) return error;
    const tohost = image.symbols.get('tohost');
    if (tohost !== undefined) yield* trackWrites(kvm, gpaToGfn(gpa(tohost.address)));
    const tree = boardDeviceTree({ ramBytes, harts: harts.length, isa });
    const address = placeDeviceTree(image, ramBytes, tree.length);
    if (address === null) return 0;
    error = yield* owner.write(address, tree);
    return error === 0 ? address : error;
  }

  /** As QEMU's reset vector leaves a hart: at the entry in M mode, a0 its number, a1 the device tree. */
  #start(vcpu: Vcpu, deviceTree: number): void {
    const { hart, index } = vcpu;
    hart.reset(this.#config.image.entry);
    hart.setX(A0, index, 0);
    hart.setX(A1, deviceTree | 0, Math.floor(deviceTree / 2 ** 32));
    const { clint } = this.board;
    hart.clock = {
      timeAt: (ns) => clint.timeAt(ns),
      origin: () => this.sched.now - this.#spent[index]!,
      tick: () => clint.plainTick,
    };
    this.#threads++;
    this.#vcpuOfTask[this.sched.spawn(`vcpu/${index}`, this.#thread(vcpu), index).id] = index;
  }

  *#thread(vcpu: Vcpu): Steps {
    yield* vcpuThread(this, vcpu);
    this.#threads--;
    this.#threadEnded.wakeAll();
  }

  // For vCPU threads

  /**
   * How many instructions `vcpu` may run now: to the end of its quantum, not past the next event that concerns it, and no
   * more than its share of what the limit leaves. 0 when runs of other harts, which may sleep, have been granted all.
   */
  grant(vcpu: Vcpu): number {
    const share = Math.ceil(this.#limitOf(vcpu) / this.#config.harts.length);
    const budget = Math.min(this.#budgetOf(vcpu), share);
    this.#granted[vcpu.index] = vcpu.hart.attempted + budget;
    return budget;
  }

  /** After a grant of 0: sleeps until there may be more, or the machine stops. */
  *waitForGrant(vcpu: Vcpu): Steps {
    yield* this.#grantReturned.until(() => this.stop !== null || this.#limitOf(vcpu) > 0);
  }

  #budgetOf(vcpu: Vcpu): number {
    const full = this.#config.harts.length > 1 ? QUANTUM : QUANTUM_ALONE;
    const quantum = full - (vcpu.hart.attempted % full);
    const event = Math.min(this.sched.nextEventTime, this.#deadlineOf(vcpu)) - this.sched.now;
    return Math.max(1, Math.min(quantum, event));
  }

  /** What is left of maxInstructions when every other hart uses up what it was granted. */
  #limitOf({ index }: Vcpu): number {
    const spoken = this.#config.harts.map(({ attempted }, other) =>
      other === index ? attempted : Math.max(attempted, this.#granted[other]!),
    );
    return this.#config.maxInstructions - spoken.reduce((sum, count) => sum + count, 0);
  }

  /** Virtual time that the running task, if it is a vCPU's, has spent in the guest and not settled yet. */
  get unsettled(): number {
    const index = this.#vcpuOfTask[this.sched.currentId];
    return index === undefined ? 0 : this.#config.harts[index]!.attempted - this.#spent[index]!;
  }

  /** Lets virtual time pass for what `vcpu` has executed; its run is over. */
  settle(vcpu: Vcpu): void {
    const { attempted } = vcpu.hart;
    this.sched.spend(attempted - this.#spent[vcpu.index]!);
    this.#spent[vcpu.index] = attempted;
    this.#granted[vcpu.index] = attempted;
    this.#grantReturned.wakeAll();
  }

  /** Stops the machine when maxInstructions are executed. */
  checkLimit(): void {
    if (this.instructions >= this.#config.maxInstructions) this.stopWith(stoppedByLimit());
  }

  /** `vcpu` goes to sleep: until a line changes, or the next deadline. */
  setAlarm(vcpu: Vcpu): void {
    this.#alarms.sleepUntil(vcpu.index, this.#deadlineOf(vcpu));
  }

  isAwake(vcpu: Vcpu): boolean {
    return this.#alarms.isAwake(vcpu.index);
  }

  nobodyCanWake(): boolean {
    return this.#alarms.nobodyCanWake;
  }

  /** When something happens to `vcpu` by itself: virtual ns, or Infinity. */
  #deadlineOf({ index, hart }: Vcpu): number {
    const { clint, htif } = this.board;
    const supervisor = hart.timerDeadline;
    return Math.min(
      clint.deadline(index),
      supervisor === Number.POSITIVE_INFINITY ? supervisor : clint.deadlineOf(BigInt(supervisor)),
      htif?.dueAt ?? Number.POSITIVE_INFINITY,
    );
  }

  *#storeByDevice(address: number, bytes: Uint8Array): Steps<number> {
    const error = yield* this.#memory.write(address, bytes);
    if (this.kvm !== null) deviceStored(this.kvm);
    return error;
  }

  get #memory(): VmmProcess {
    return this.#owner ?? bug('guest memory is used before boot');
  }

  #clintHost(): ClintHost {
    return {
      now: () => this.sched.now,
      setPending: (hart, irq, level) => {
        this.#config.harts[hart]!.setPending(irq, level);
        this.#alarms.wake(hart);
      },
    };
  }

  #kick(hart: number): void {
    const vcpu = this.kvm?.vcpus[hart];
    if (vcpu !== undefined) kvmVcpuKick(vcpu);
  }
}
