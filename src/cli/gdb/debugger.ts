// The debugger's hold on the harts: breakpoints, watchpoints, single steps, and stopping all of them.
//
// kvm runs each hart through it (Vcpu.debug). While nothing is watched for, harts run as ever; else one instruction at a
// time, in which the architecture is the same. Stopped, a hart leaves the guest without having executed anything, so the
// scheduler goes round without progress until the session, which asks `isStopped`, ends the slice.
//
// Breakpoints are kept here and never in guest memory: its pages move and swap.

import { Exit, type ExitReason, type Hart } from '../../hw/hart/index.ts';
import { DECODED_WORDS, decode, encodingOf, opOf, rs1Of } from '../../hw/isa/index.ts';
import type { GuestDebug, Vcpu } from '../../kvm/index.ts';
import { fromWords } from '../../units.ts';
import type { GuestView } from '../inspect/guestView.ts';
import { accessOf } from './memoryAccess.ts';

export type WatchKind = 'write' | 'read' | 'access';

export interface Watchpoint {
  readonly kind: WatchKind;
  readonly address: number;
  readonly length: number;
}

/** Virtual ns that a hart takes to be turned away; were it 0, no I/O would ever end while harts stand. */
const STANDING_COST = 1000;

/** Why all harts stand. */
export type Stop =
  | { readonly kind: 'breakpoint' | 'step' | 'interrupt'; readonly vcpu: number }
  | { readonly kind: 'watchpoint'; readonly vcpu: number; readonly watchpoint: Watchpoint };

export class Debugger implements GuestDebug {
  readonly #view: GuestView;
  readonly #breakpoints = new Set<number>();
  #watchpoints: Watchpoint[] = [];
  /** Harts that may run when the machine does. */
  #running = new Set<number>();
  /** Harts that stop after one instruction. */
  #stepping = new Set<number>();
  stop: Stop | null = null;

  constructor(view: GuestView) {
    this.#view = view;
  }

  get isStopped(): boolean {
    return this.stop !== null;
  }

  addBreakpoint(address: number): void {
    this.#breakpoints.add(address);
  }

  removeBreakpoint(address: number): void {
    this.#breakpoints.delete(address);
  }

  addWatchpoint(watchpoint: Watchpoint): void {
    this.#watchpoints.push(watchpoint);
  }

  removeWatchpoint({ kind, address, length }: Watchpoint): void {
    this.#watchpoints = this.#watchpoints.filter(
      (w) => w.kind !== kind || w.address !== address || w.length !== length,
    );
  }

  /** Forgets what was set, and lets everything run. */
  detach(): void {
    this.#breakpoints.clear();
    this.#watchpoints = [];
    this.resume(
      this.#view.kvm.vcpus.map(({ index }) => index),
      [],
    );
  }

  halt(vcpu: number): void {
    this.stop = { kind: 'interrupt', vcpu };
  }

  /** Lets harts run, those in `stepping` for one instruction; all others stand. */
  resume(running: readonly number[], stepping: readonly number[]): void {
    this.stop = null;
    this.#running = new Set([...running, ...stepping]);
    this.#stepping = new Set(stepping);
  }

  run(vcpu: Vcpu, budget: number): ExitReason {
    const { hart, index } = vcpu;
    if (this.isStopped || !this.#running.has(index)) {
      vcpu.kvm.sched.spend(STANDING_COST);
      return leave(hart, budget);
    }
    const isWatched = this.#breakpoints.size + this.#watchpoints.length > 0 || this.#stepping.has(index);
    return isWatched ? this.#runWatched(vcpu, budget) : hart.run(budget);
  }

  #runWatched(vcpu: Vcpu, budget: number): ExitReason {
    const { hart, index } = vcpu;
    const end = hart.attempted + budget;
    while (hart.attempted < end) {
      // A step is how a debugger gets over a breakpoint.
      if (this.#breakpoints.has(hart.pc) && !this.#stepping.has(index)) {
        this.stop = { kind: 'breakpoint', vcpu: index };
        return leave(hart, end - hart.attempted);
      }
      const watchpoint = this.#aboutToHit(hart);
      const { attempted, retired } = hart;
      const reason = hart.run(1);
      if (watchpoint !== null && hart.retired > retired) {
        this.stop = { kind: 'watchpoint', vcpu: index, watchpoint };
      } else if (this.#stepping.has(index) && hart.attempted > attempted) {
        this.stop = { kind: 'step', vcpu: index };
      }
      if (reason !== Exit.budget) return reason;
      if (this.isStopped) return leave(hart, Math.max(1, end - hart.attempted));
    }
    return Exit.budget;
  }

  /** The watchpoint that the instruction at pc touches. */
  #aboutToHit(hart: Hart): Watchpoint | null {
    if (this.#watchpoints.length === 0) return null;
    const access = this.#accessAt(hart);
    if (access === null) return null;
    const hit = this.#watchpoints.find(
      ({ kind, address, length }) =>
        (kind === 'access' || (kind === 'write' ? access.writes : access.reads)) &&
        address < access.address + access.bytes &&
        access.address < address + length,
    );
    return hit ?? null;
  }

  #accessAt(hart: Hart): { address: number; bytes: number; reads: boolean; writes: boolean } | null {
    const first = this.#view.readVirtual(hart, hart.pc, 2);
    if (first === null) return null;
    const second = (first[0]! & 3) === 3 ? this.#view.readVirtual(hart, hart.pc + 2, 2) : new Uint8Array(2);
    if (second === null) return null;
    const word = first[0]! | (first[1]! << 8) | (second[0]! << 16) | (second[1]! << 24);
    const decoded = new Int32Array(DECODED_WORDS);
    decode(word, decoded, 0);
    const kind = accessOf(encodingOf(opOf(decoded[0]!)).mnemonic);
    if (kind === null) return null;
    const base = 2 * rs1Of(decoded[0]!);
    const offset = kind.hasOffset ? decoded[1]! : 0;
    const address = fromWords(hart.block[base]!, hart.block[base + 1]!) + offset;
    return { address, ...kind };
  }
}

/** Leaves the guest before its next instruction. */
function leave(hart: Hart, budget: number): ExitReason {
  hart.kick();
  return hart.run(budget);
}
