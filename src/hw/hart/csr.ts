// CSRs: one row per control and status register that a hart has, with its privilege checks and WARL rules.
//
// system.ts executes csr* instructions on it. A CSR without a row is an illegal instruction. Plain storage lives in the
// vCPU block (block.ts); the other rows compute.
//
// Source: RISC-V Privileged ISA, "Control and Status Registers" and the register's own section; legal values as Spike
// with rv64imac_zicsr_zifencei_zicntr, plus Sstc. Those of the PMP are in pmpRegisters.ts.
// Invariant: a stored value is always a legal one.

import { hiWord, loWord } from '../../units.ts';
import { Csr } from '../isa/index.ts';
import {
  COUNTER_CY,
  COUNTER_IR,
  COUNTER_TM,
  ENVCFG_FIOM,
  MENVCFG_HI_ADUE,
  MENVCFG_HI_STCE,
  MIP_ALL,
  MIP_SEIP,
  MIP_SSIP,
  MIP_SUPERVISOR,
  MSTATUS_FS,
  MSTATUS_HI,
  MSTATUS_HI_SD,
  MSTATUS_MIE,
  MSTATUS_MPIE,
  MSTATUS_MPP,
  MSTATUS_MPP_SHIFT,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SIE,
  MSTATUS_SPIE,
  MSTATUS_SPP,
  MSTATUS_SUM,
  MSTATUS_TSR,
  MSTATUS_TVM,
  MSTATUS_TW,
  PRV_M,
  PRV_U,
  SATP_BARE,
  SATP_SV39,
} from './architecture.ts';
import { type CsrSlot, Exit } from './block.ts';
import { type Counter, readCounter, writeCounter, writeInhibit } from './counters.ts';
import type { Hart } from './hart.ts';
import { pendingInterrupts } from './interrupts.ts';
import { readPmpConfig, writePmpAddress, writePmpConfig } from './pmpRegisters.ts';
import { forgetContexts, updateContext } from './regimes.ts';
import { SLOT } from './slots.ts';
import { writeSatp } from './translationOrders.ts';
import type { Word64 } from './word64.ts';

/** Where a register is stored, and its writable bits. */
export interface PlainCsr {
  readonly name: CsrSlot;
  readonly maskLo: number;
  readonly maskHi: number;
}

export interface CsrRow {
  readonly read: (hart: Hart, out: Word64) => void;
  /** Absent: writes are ignored. */
  readonly write?: (hart: Hart, lo: number, hi: number) => void;
  /** What csrrs and csrrc modify, where that is not what they read. */
  readonly readForUpdate?: (hart: Hart, out: Word64) => void;
  /** Beyond the privilege that the number encodes. */
  readonly allowed?: (hart: Hart) => boolean;
  /** Present where the register is only storage, for everybody of the privilege that its number encodes. */
  readonly plain?: PlainCsr;
  /** A write may change translation or enable an interrupt: the run loop must look again. */
  readonly resync?: boolean;
}

const rows: (CsrRow | undefined)[] = new Array<CsrRow | undefined>(4096).fill(undefined);

/** The row of a CSR that exists and that the hart may access now, or undefined: an illegal instruction. */
export function accessibleCsr(hart: Hart, csr: number, writes: boolean): CsrRow | undefined {
  if (privilegeOf(csr) > hart.privilege || (writes && csr >>> 10 === 3)) return undefined;
  const row = rows[csr];
  return row?.allowed?.(hart) === false ? undefined : row;
}

/** A CSR as M mode sees it, into `out`, whatever the privilege; false: there is none. Changes nothing. */
export function inspectCsr(hart: Hart, csr: number, out: Word64): boolean {
  const row = rows[csr];
  row?.read(hart, out);
  return row !== undefined;
}

/** The least privilege that may access a CSR. */
export const privilegeOf = (csr: number): number => (csr >>> 8) & 3;

/** The storage of a CSR that is nothing else, or undefined. */
export const plainCsr = (csr: number): PlainCsr | undefined => rows[csr]?.plain;

/** A register of its own slot; the masks are the writable bits. */
function stored(name: CsrSlot, maskLo: number, maskHi: number, more: Partial<CsrRow> = {}): CsrRow {
  const at = SLOT[name];
  return {
    read: (hart, out) => out.set(hart.block[at]!, hart.block[at + 1]!),
    write: (hart, lo, hi) => {
      hart.block[at] = lo & maskLo;
      hart.block[at + 1] = hi & maskHi;
    },
    ...more,
  };
}

/** A register that is only storage. */
const storage = (name: CsrSlot, maskLo: number, maskHi: number): CsrRow => ({
  ...stored(name, maskLo, maskHi),
  plain: { name, maskLo, maskHi },
});

/** A read-only value; writes to it, where its number allows them, are ignored. */
const constant = (lo: number, hi = 0): CsrRow => ({ read: (_hart, out) => out.set(lo, hi) });

const ALL = -1;

// Machine information

/** MXL 2 (64 bits); extensions A, C, I, M, S, U. */
const MISA_LO = (1 << 0) | (1 << 2) | (1 << 8) | (1 << 12) | (1 << 18) | (1 << 20);
rows[Csr.misa] = constant(MISA_LO, 2 << 30);
rows[Csr.mvendorid] = constant(0);
rows[Csr.marchid] = constant(0);
rows[Csr.mimpid] = constant(0);
rows[Csr.mconfigptr] = constant(0);
rows[Csr.mhartid] = { read: (hart, out) => out.set(hart.id, 0) };

// Status

/** FS is writable wherever there is an S mode, with or without F, as in Spike; there is nothing that it enables. */
export const SSTATUS_MASK = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR;
const MSTATUS_MASK =
  SSTATUS_MASK |
  MSTATUS_MIE |
  MSTATUS_MPIE |
  MSTATUS_MPP |
  MSTATUS_MPRV |
  MSTATUS_TVM |
  MSTATUS_TW |
  MSTATUS_TSR;
const TRANSLATION_BITS = MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR;

/** MPP 2 is no mode here; it becomes U, as in Spike. */
const legalMpp = (value: number): number =>
  (value & MSTATUS_MPP) >>> MSTATUS_MPP_SHIFT === 2 ? value & ~MSTATUS_MPP : value;

function writeStatus(hart: Hart, lo: number, mask: number): void {
  const old = hart.block[SLOT.mstatus]!;
  const value = legalMpp((old & ~mask) | (lo & mask));
  hart.block[SLOT.mstatus] = value;
  if (((old ^ value) & TRANSLATION_BITS) !== 0) updateContext(hart);
}

/** UXL, the only high bits of sstatus but for SD. */
export const SSTATUS_HI = MSTATUS_HI & 3;

/** SD is set while FS is dirty. */
const statusHi = (mstatus: number, hi: number): number =>
  (mstatus & MSTATUS_FS) === MSTATUS_FS ? hi | MSTATUS_HI_SD : hi;

rows[Csr.mstatus] = {
  read: (hart, out) => out.set(hart.block[SLOT.mstatus]!, statusHi(hart.block[SLOT.mstatus]!, MSTATUS_HI)),
  write: (hart, lo) => writeStatus(hart, lo, MSTATUS_MASK),
  resync: true,
};
rows[Csr.sstatus] = {
  read: (hart, out) =>
    out.set(hart.block[SLOT.mstatus]! & SSTATUS_MASK, statusHi(hart.block[SLOT.mstatus]!, SSTATUS_HI)),
  write: (hart, lo) => writeStatus(hart, lo, SSTATUS_MASK),
  resync: true,
};

// Trap set-up and handling

/** MODE 2 and 3 are reserved: bit 1 stays 0. */
const TVEC_MASK = ~2;
/** IALIGN is 16: bit 0 of a pc is 0. */
const EPC_MASK = ~1;
/** What can happen below M: all but the environment call from M, the reserved codes, and with IALIGN 16 code 0. */
const MEDELEG_MASK = 0xb3fe;

rows[Csr.mtvec] = storage('mtvec', TVEC_MASK, ALL);
rows[Csr.medeleg] = storage('medeleg', MEDELEG_MASK, 0);
rows[Csr.mideleg] = stored('mideleg', MIP_SUPERVISOR, 0, { resync: true });
rows[Csr.mscratch] = storage('mscratch', ALL, ALL);
rows[Csr.mepc] = storage('mepc', EPC_MASK, ALL);
rows[Csr.mcause] = storage('mcause', ALL, ALL);
rows[Csr.mtval] = storage('mtval', ALL, ALL);
rows[Csr.stvec] = storage('stvec', TVEC_MASK, ALL);
rows[Csr.sscratch] = storage('sscratch', ALL, ALL);
rows[Csr.sepc] = storage('sepc', EPC_MASK, ALL);
rows[Csr.scause] = storage('scause', ALL, ALL);
rows[Csr.stval] = storage('stval', ALL, ALL);

// Interrupts: sie and sip are the delegated bits of mie and mip

const stceOf = (hart: Hart): boolean => (hart.block[SLOT.menvcfg + 1]! & MENVCFG_HI_STCE) !== 0;

/** Bits of mip that software may write; with Sstc, STIP is the comparator's. */
const writableMip = (hart: Hart): number => (stceOf(hart) ? MIP_SSIP | MIP_SEIP : MIP_SUPERVISOR);

function writeMasked(hart: Hart, at: number, value: number, mask: number): void {
  hart.block[at] = (hart.block[at]! & ~mask) | (value & mask);
}

const delegated = (hart: Hart): number => hart.block[SLOT.mideleg]!;

rows[Csr.mie] = stored('mie', MIP_ALL, 0, { resync: true });
rows[Csr.sie] = {
  read: (hart, out) => out.set(hart.block[SLOT.mie]! & delegated(hart), 0),
  write: (hart, lo) => writeMasked(hart, SLOT.mie, lo, delegated(hart)),
  resync: true,
};
rows[Csr.mip] = {
  read: (hart, out) => out.set(pendingInterrupts(hart), 0),
  // The external controller's SEIP is read with the software bit but never written back into it.
  readForUpdate: (hart, out) => out.set(hart.block[SLOT.mip]!, 0),
  write: (hart, lo) => writeMasked(hart, SLOT.mip, lo, writableMip(hart)),
  resync: true,
};
rows[Csr.sip] = {
  read: (hart, out) => out.set(pendingInterrupts(hart) & delegated(hart), 0),
  write: (hart, lo) => writeMasked(hart, SLOT.mip, lo, delegated(hart) & MIP_SSIP),
  resync: true,
};

// Environment configuration and Sstc

rows[Csr.menvcfg] = {
  read: (hart, out) => out.set(hart.block[SLOT.menvcfg]!, hart.block[SLOT.menvcfg + 1]!),
  write: (hart, lo, hi) => {
    const mask = MENVCFG_HI_STCE | (hart.ad === 'svadu' ? MENVCFG_HI_ADUE : 0);
    if (((hart.block[SLOT.menvcfg + 1]! ^ hi) & MENVCFG_HI_STCE) !== 0) hart.exit(Exit.timer);
    hart.block[SLOT.menvcfg] = lo & ENVCFG_FIOM;
    hart.block[SLOT.menvcfg + 1] = hi & mask;
    forgetContexts(hart);
    updateContext(hart);
  },
  resync: true,
};
rows[Csr.senvcfg] = storage('senvcfg', ENVCFG_FIOM, 0);
rows[Csr.stimecmp] = {
  ...stored('stimecmp', ALL, ALL),
  write: (hart, lo, hi) => {
    hart.block[SLOT.stimecmp] = lo;
    hart.block[SLOT.stimecmp + 1] = hi;
    if (stceOf(hart)) hart.exit(Exit.timer);
  },
  allowed: (hart) =>
    hart.privilege === PRV_M || (stceOf(hart) && (hart.block[SLOT.mcounteren]! & COUNTER_TM) !== 0),
  resync: true,
};

// satp

rows[Csr.satp] = {
  read: (hart, out) => out.set(hart.block[SLOT.satp]!, hart.block[SLOT.satp + 1]!),
  write: (hart, lo, hi) => {
    const mode = hi >>> 28;
    if (mode === SATP_BARE || mode === SATP_SV39) writeSatp(hart, lo, hi);
  },
  allowed: (hart) => hart.privilege === PRV_M || (hart.block[SLOT.mstatus]! & MSTATUS_TVM) === 0,
  resync: true,
};

// Counters; hpmcounter3 to 31 are Zihpm's, which these harts lack

const COUNTEREN_MASK = COUNTER_CY | COUNTER_TM | COUNTER_IR;

/** cycle, time, instret: below M by mcounteren, in U by scounteren as well. */
function counterAllowed(bit: number): (hart: Hart) => boolean {
  return (hart) => {
    if (hart.privilege < PRV_M && (hart.block[SLOT.mcounteren]! & bit) === 0) return false;
    return hart.privilege !== PRV_U || (hart.block[SLOT.scounteren]! & bit) !== 0;
  };
}

const machineCounter = (counter: Counter): CsrRow => ({
  read: (hart, out) => readCounter(hart, counter, out),
  write: (hart, lo, hi) => writeCounter(hart, counter, lo, hi),
});

const userCounter = (counter: Counter, bit: number): CsrRow => ({
  read: (hart, out) => readCounter(hart, counter, out),
  allowed: counterAllowed(bit),
});

rows[Csr.mcounteren] = storage('mcounteren', COUNTEREN_MASK, 0);
rows[Csr.scounteren] = storage('scounteren', COUNTEREN_MASK, 0);
rows[Csr.mcountinhibit] = {
  read: (hart, out) => out.set(hart.block[SLOT.mcountinhibit]!, 0),
  write: (hart, lo) => writeInhibit(hart, lo),
};
rows[Csr.mcycle] = machineCounter('mcycle');
rows[Csr.minstret] = machineCounter('minstret');
rows[Csr.cycle] = userCounter('mcycle', COUNTER_CY);
rows[Csr.instret] = userCounter('minstret', COUNTER_IR);
rows[Csr.time] = {
  read: (hart, out) => {
    const ticks = hart.readTime();
    out.set(loWord(ticks), hiWord(ticks));
  },
  allowed: counterAllowed(COUNTER_TM),
};
for (let i = 0; i < 29; i++) {
  rows[Csr.mhpmcounter3 + i] = constant(0);
  rows[Csr.mhpmevent3 + i] = constant(0);
}

// Physical memory protection and triggers

const PMP_ENTRIES_MAX = 64;
for (let i = 0; i < PMP_ENTRIES_MAX; i++) {
  rows[Csr.pmpaddr0 + i] =
    i < 16
      ? {
          ...stored(`pmpaddr${i}` as CsrSlot, ALL, ALL),
          write: (hart, lo, hi) => writePmpAddress(hart, i, lo, hi),
          resync: true,
        }
      : constant(0);
}
for (let i = 0; i < 16; i += 2) {
  rows[Csr.pmpcfg0 + i] =
    i === 0 || i === 2
      ? {
          read: (hart, out) => readPmpConfig(hart, i, out),
          write: (hart, lo, hi) => writePmpConfig(hart, i, lo, hi),
          resync: true,
        }
      : constant(0);
}
for (const csr of [Csr.tselect, Csr.tdata1, Csr.tdata2, Csr.tdata3]) rows[csr] = constant(0);
