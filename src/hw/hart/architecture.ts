// Architecture: the numbers of the privileged architecture that a hart's files share: privilege modes, causes, CSR fields.
//
// Source: RISC-V Privileged ISA, "Machine-Level ISA" and "Supervisor-Level ISA"; names follow Linux's asm/csr.h.

export const PRV_U = 0;
export const PRV_S = 1;
export const PRV_M = 3;

/** Exception codes of mcause. */
export const Cause = {
  fetchMisaligned: 0,
  fetchAccess: 1,
  illegalInstruction: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  userEcall: 8,
  supervisorEcall: 9,
  machineEcall: 11,
  fetchPageFault: 12,
  loadPageFault: 13,
  storePageFault: 15,
} as const;

/** Causes by access kind: load, store, fetch. */
export const ACCESS_FAULT = [Cause.loadAccess, Cause.storeAccess, Cause.fetchAccess] as const;
export const PAGE_FAULT = [Cause.loadPageFault, Cause.storePageFault, Cause.fetchPageFault] as const;

/** Interrupt numbers: bits of mip and mie, codes of mcause. */
export const Irq = { ssip: 1, msip: 3, stip: 5, mtip: 7, seip: 9, meip: 11 } as const;
export type IrqNumber = (typeof Irq)[keyof typeof Irq];

export const MIP_SSIP = 1 << Irq.ssip;
export const MIP_MSIP = 1 << Irq.msip;
export const MIP_STIP = 1 << Irq.stip;
export const MIP_MTIP = 1 << Irq.mtip;
export const MIP_SEIP = 1 << Irq.seip;
export const MIP_MEIP = 1 << Irq.meip;
export const MIP_SUPERVISOR = MIP_SSIP | MIP_STIP | MIP_SEIP;
export const MIP_ALL = MIP_SUPERVISOR | MIP_MSIP | MIP_MTIP | MIP_MEIP;

/** Fields of mstatus, in its low word but for those below. */
export const MSTATUS_SIE = 1 << 1;
export const MSTATUS_MIE = 1 << 3;
export const MSTATUS_SPIE = 1 << 5;
export const MSTATUS_MPIE = 1 << 7;
export const MSTATUS_SPP = 1 << 8;
export const MSTATUS_MPP = 3 << 11;
export const MSTATUS_MPP_SHIFT = 11;
export const MSTATUS_FS = 3 << 13;
export const MSTATUS_MPRV = 1 << 17;
export const MSTATUS_SUM = 1 << 18;
export const MSTATUS_MXR = 1 << 19;
export const MSTATUS_TVM = 1 << 20;
export const MSTATUS_TW = 1 << 21;
export const MSTATUS_TSR = 1 << 22;
/** The high word: UXL and SXL are 2 (64 bits), read-only. */
export const MSTATUS_HI = 0xa;
export const MSTATUS_HI_SD = 1 << 31;

/** satp: MODE in bits 63..60, ASID in 59..44, PPN in 43..0. */
export const SATP_BARE = 0;
export const SATP_SV39 = 8;

/** menvcfg's high word: Svadu's and Sstc's enables. */
export const MENVCFG_HI_ADUE = 1 << 29;
export const MENVCFG_HI_STCE = 1 << 31;
/** menvcfg, senvcfg: fence of I/O implies memory. */
export const ENVCFG_FIOM = 1;

/** mcounteren, scounteren, mcountinhibit. */
export const COUNTER_CY = 1;
export const COUNTER_TM = 2;
export const COUNTER_IR = 4;
