// The hart: one RV64IMAC processor with M, S and U mode, its MMU and its TLB.
//
// kvm makes one per vCPU, gives it roots and runs it; run() executes guest code until it must leave, and leaves a precise
// state in the vCPU block (block.ts). Everything here is one atomic hardware step or a budget of them: nothing yields.
//
// Invariants: equal state, tables, budget slices' sum and injected events give equal results, however run() was sliced
// and whatever was decoded, translated or cached. Budget is used up by one for each instruction that retires or traps;
// one that exits is attempted again, unless kvm completes it or raises an exception in its place.

import { fromWords, type Hpa } from '../../units.ts';
import { encode, lengthOf, opOf, rdOf, rs1Of, rs2Of } from '../isa/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { HostTables } from '../sv39/index.ts';
import { DEFAULT_TLB, DTLB_ENTRY_BYTES, ITLB_ENTRY_BYTES, Tlb } from '../tlb/index.ts';
import { type IrqNumber, PRV_M } from './architecture.ts';
import {
  BLOCK_ATTEMPTS,
  BLOCK_BUDGET,
  BLOCK_BYTES,
  BLOCK_CLOCK,
  BLOCK_DTLB,
  BLOCK_EXIT,
  BLOCK_FILLS,
  BLOCK_GRANT,
  BLOCK_HANDLER,
  BLOCK_PC,
  BLOCK_PRIVILEGE,
  BLOCK_SHADOW_ROOT,
  BLOCK_TICK,
  BLOCK_TLB,
  BLOCK_TRAPPED,
  Exit,
  type ExitReason,
  Grant,
} from './block.ts';
import { TlbChecker } from './checker.ts';
import { STOPPED } from './clock.ts';
import type { CodeCache } from './codeCache.ts';
import { count, countAt, putCount, readStats } from './counts.ts';
import { DataAccess, Fence, type HartStats, MmuFault } from './exits.ts';
import { interpret } from './interpret.ts';
import { hasWakeup, NO_INTERRUPT, putPending, takeableInterrupt, timerDeadline } from './interrupts.ts';
import { Loans } from './loans.ts';
import { atomicAt, writeLoaded } from './memoryOps.ts';
import { catchUp } from './missedFlushes.ts';
import { type Mmu, NO_ROOT, ShadowMmu, TdpMmu } from './mmu.ts';
import type { AdScheme, HartOptions, MmuKind } from './options.ts';
import { PlainWalk } from './plainWalk.ts';
import { OPEN_PMP, type Pmp } from './pmp.ts';
import { resetPmp } from './pmpRegisters.ts';
import { forgetContexts, updateContext } from './regimes.ts';
import { clearReservation } from './reservation.ts';
import { SLOT } from './slots.ts';
import { takeException, takeInterrupt } from './traps.ts';

const PC = BLOCK_PC >> 2;
const BUDGET = BLOCK_BUDGET >> 2;
const EXIT = BLOCK_EXIT >> 2;
const PRIVILEGE = BLOCK_PRIVILEGE >> 2;
const SHADOW_ROOT = BLOCK_SHADOW_ROOT >> 2;
const GRANT = BLOCK_GRANT >> 2;

export class Hart {
  readonly id: number;
  readonly memory: PhysicalMemory;
  readonly code: CodeCache;
  readonly tlb: Tlb;
  readonly mmuKind: MmuKind;
  readonly ad: AdScheme;
  /** Byte address of the vCPU block, and the block as int32 words: x[i] is words 2i and 2i+1. */
  readonly base: number;
  readonly block: Int32Array;
  /** What the last exit was about. */
  readonly fault = new MmuFault();
  readonly access = new DataAccess();
  readonly fence = new Fence();
  /** What kvm lent for the instruction at pc. */
  readonly loans = new Loans(this);
  /** For the time CSR and stimecmp. Must be a function of guest progress. */
  clock = STOPPED;

  // Of this room only
  readonly mmu: Mmu;
  readonly plainWalk: PlainWalk;
  readonly checker: TlbChecker | null;
  /** Int32 index of an entry from its table's first, under the address shifted right by 9 (data) and 10 (fetch). */
  readonly dtlbMask: number;
  readonly itlbMask: number;
  directRoot = NO_ROOT;
  /** The last answer of access.ts holds for one access only. */
  alone = false;
  private kicked = false;
  /** Attempted and trapped instructions since reset, up to the start of this run; the block's budget has the rest. */
  private attemptedBefore = 0;
  /** Of the run that is under way. */
  runBudget = 0;

  constructor({ domain, code, id, mmu, ad, tlb = DEFAULT_TLB, onStaleHit }: HartOptions) {
    const { memory } = domain;
    const tables = new HostTables(memory);
    this.id = id;
    this.memory = memory;
    this.code = code;
    this.mmuKind = mmu;
    this.ad = ad;
    this.base = memory.reserve(BLOCK_BYTES, BLOCK_BYTES);
    this.block = memory.i32.subarray(this.base >>> 2, (this.base + BLOCK_BYTES) >>> 2);
    this.tlb = new Tlb(domain, tlb);
    this.block[BLOCK_TLB >> 2] = this.tlb.first.base;
    this.block[SHADOW_ROOT] = NO_ROOT;
    this.dtlbMask = (tlb.dtlbEntries - 1) * (DTLB_ENTRY_BYTES / 4);
    this.itlbMask = (tlb.itlbEntries - 1) * (ITLB_ENTRY_BYTES / 4);
    this.mmu = mmu === 'shadow' ? new ShadowMmu(tables) : new TdpMmu(tables);
    this.plainWalk = new PlainWalk(tables);
    this.checker = onStaleHit === undefined ? null : new TlbChecker(tables, this.mmu, onStaleHit);
    this.reset(0);
    code.translator?.attach(this);
  }

  /** Power-on: M mode at `pc` (a guest physical address), all else 0 or empty. Roots, lines and the clock stay. */
  reset(pc: number): void {
    this.block.fill(0, 0, BLOCK_RESET_WORDS);
    this.block.fill(0, BLOCK_FILLS >> 2);
    this.privilege = PRV_M;
    this.setPc(pc | 0, Math.floor(pc / 2 ** 32));
    resetPmp(this);
    this.mmu.pmp = OPEN_PMP;
    this.loans.clear();
    clearReservation(this);
    this.attemptedBefore = 0;
    this.runBudget = 0;
    putCount(this.block, BLOCK_TRAPPED, 0);
    putCount(this.block, BLOCK_HANDLER, -1);
    this.kicked = false;
    this.block[GRANT] = this.mmuKind === 'tdp' ? Grant.all : 0;
    this.tlb.reset();
    forgetContexts(this);
    updateContext(this);
  }

  // Running

  /** Executes at most `budget` instructions (1..2^31-1); answers why it stopped. */
  run(budget: number): ExitReason {
    this.attemptedBefore = this.attempted;
    this.runBudget = budget;
    this.block[BUDGET] = budget;
    this.block[EXIT] = Exit.none;
    putCount(this.block, BLOCK_ATTEMPTS, this.attemptedBefore + budget);
    putCount(this.block, BLOCK_CLOCK, this.clock.origin() + this.attemptedBefore + budget);
    putCount(this.block, BLOCK_TICK, this.clock.tick());
    for (;;) {
      if (this.kicked) return this.leaveKicked();
      if (this.block[BUDGET]! <= 0) return Exit.budget;
      const irq = takeableInterrupt(this);
      if (irq !== NO_INTERRUPT) takeInterrupt(this, irq);
      const reason = this.runStretch();
      if (reason !== Exit.none) return reason;
    }
  }

  /** Instructions left of the last run's budget. */
  get budgetLeft(): number {
    return this.block[BUDGET]!;
  }

  /** Makes run() return Exit.kick before its next instruction, or at once when it is called next. */
  kick(): void {
    this.kicked = true;
  }

  /** Instructions that retired or trapped since reset; exact at any time, within a run too. */
  get attempted(): number {
    return this.attemptedBefore + this.runBudget - this.block[BUDGET]!;
  }

  /** Instructions that retired since reset. */
  get retired(): number {
    return this.attempted - countAt(this.block, BLOCK_TRAPPED);
  }

  /** The time CSR. */
  readTime(): number {
    return this.clock.timeAt(this.clock.origin() + this.attempted);
  }

  /** What happened since reset. */
  get stats(): HartStats {
    return readStats(this.block);
  }

  // Registers

  /** Writes x[register]; x0 stays 0. */
  setX(register: number, lo: number, hi: number): void {
    if (register === 0) return;
    this.block[register * 2] = lo;
    this.block[register * 2 + 1] = hi;
  }

  setPc(lo: number, hi: number): void {
    this.block[PC] = lo;
    this.block[PC + 1] = hi;
  }

  /** The pc as a number; exact for every address that a guest can run at. */
  get pc(): number {
    return fromWords(this.block[PC]!, this.block[PC + 1]!);
  }

  /** The root of the present satp (shadow), or NO_ROOT. */
  get shadowRoot(): number {
    return this.block[SHADOW_ROOT]!;
  }

  /** PRV_U, PRV_S or PRV_M. */
  get privilege(): number {
    return this.block[PRIVILEGE]!;
  }

  /** The caller follows with updateContext(). */
  set privilege(mode: number) {
    this.block[PRIVILEGE] = mode;
  }

  // Translation, for kvm

  /** The Sv39x4 table of guest physical memory, or NO_ROOT; nothing is flushed. */
  setDirectRoot(root: number): void {
    this.directRoot = root;
    forgetContexts(this);
    updateContext(this);
  }

  /** The Sv39 table that stands for the present satp (shadow), or NO_ROOT; nothing is flushed. */
  setShadowRoot(root: number): void {
    this.block[SHADOW_ROOT] = root;
    updateContext(this);
  }

  /** Present satp. */
  get satp(): { readonly lo: number; readonly hi: number } {
    return { lo: this.block[SLOT.satp]!, hi: this.block[SLOT.satp + 1]! };
  }

  /** What the PMP permits now. */
  get pmp(): Pmp {
    return this.mmu.pmp;
  }

  /** Loans go too. The reservation stays: it is of a physical address, see reservation.ts. */
  flushAll(): void {
    this.loans.clear();
    this.tlb.flushAll();
  }

  /** Flushes the page of guest virtual (and, where unpaged, physical) address `page` in every context. */
  flushPage(page: number): void {
    this.tlb.flushPage(page);
  }

  /** Flushes what came from the tree at `root`, or through it. */
  flushRoot(root: number): void {
    this.tlb.flushRoot(root);
  }

  // Interrupts, for the board

  /** Raises or lowers a line. SSIP and STIP have none: this writes the bit that software writes too. */
  setPending(irq: IrqNumber, level: boolean): void {
    putPending(this, irq, level);
  }

  /** Whether wfi would be over: some interrupt is pending and locally enabled. */
  hasWakeup(): boolean {
    return hasWakeup(this);
  }

  /** The tick at which the supervisor timer comes due; runs should not reach past it. Infinity without Sstc's enable. */
  get timerDeadline(): number {
    return timerDeadline(this);
  }

  // Finishing an instruction that exited, for kvm

  /** Delivers an exception at pc, instead of the instruction there; answers Exit.crash where no handler can run. */
  raise(cause: number, tvalLo: number, tvalHi: number): ExitReason {
    this.block[EXIT] = Exit.none;
    takeException(this, cause, tvalLo, tvalHi);
    return this.block[EXIT] as ExitReason;
  }

  /** Finishes the load that exited, with the value that a device answered (its low bytes count). */
  completeLoad(lo: number, hi: number): void {
    writeLoaded(this, this.access.word, lo, hi);
    this.advance(lengthOf(this.access.word));
  }

  /** Finishes the store that exited: its effect took place elsewhere. */
  completeStore(): void {
    this.advance(lengthOf(this.access.word));
  }

  /** Executes the store, sc or AMO that exited on the frame at `frame`; it must not cross a page. */
  emulateStore(frame: Hpa): void {
    const offset = ((this.access.va % 4096) + 4096) % 4096;
    atomicAt(this, this.access.word, frame + offset);
    this.advance(lengthOf(this.access.word));
  }

  // Of this room only

  /** Whether M mode may do other things than S and U, with physical memory. */
  get tellsMachine(): boolean {
    return !(this.pmp.isOpen && this.pmp.isOpenToMachine);
  }

  /** Translated code has run: brings up to date what is not in memory. `resync`: the context is still to be chosen. */
  rejoin(resync: boolean): void {
    this.tlb.first.resume(this.block[BLOCK_DTLB >> 2]!);
    catchUp(this.block, this.tlb);
    if (resync) updateContext(this);
  }

  /** Ends the run; the block's state is precise. */
  exit(reason: ExitReason): void {
    this.block[EXIT] = reason;
  }

  /** Retires one instruction of `bytes` bytes. */
  advance(bytes: number): void {
    const lo = (this.block[PC]! + bytes) | 0;
    if (lo >>> 0 < bytes) this.block[PC + 1]!++;
    this.block[PC] = lo;
    this.countRetired();
  }

  countRetired(): void {
    this.block[BUDGET]!--;
  }

  countTrap(): void {
    this.block[BUDGET]!--;
    count(this.block, BLOCK_TRAPPED);
  }

  /** A trap was taken: nothing of its handler was attempted yet. */
  noteFreshHandler(): void {
    putCount(this.block, BLOCK_HANDLER, this.attempted);
  }

  isAtFreshHandler(): boolean {
    return countAt(this.block, BLOCK_HANDLER) === this.attempted;
  }

  /** The bits of the instruction that decoded to `w`, `imm`; of the 4-byte ones. */
  instructionBits(w: number, imm: number): number {
    return encode(opOf(w), rdOf(w), rs1Of(w), rs2Of(w), imm);
  }

  /** Translated code as far as it goes, then the interpreter; Exit.none: look at interrupts and the budget again. */
  private runStretch(): ExitReason {
    const { translator } = this.code;
    if (translator !== null && this.checker === null) {
      const goesOn = translator.enter(this);
      if (!goesOn || this.block[BUDGET]! <= 0) return Exit.none;
    }
    return interpret(this);
  }

  private leaveKicked(): ExitReason {
    this.kicked = false;
    return Exit.kick;
  }
}

/** Words of the block that hold registers, pc and budget. */
const BLOCK_RESET_WORDS = BLOCK_EXIT >> 2;
