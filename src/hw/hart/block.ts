// The vCPU block: one hart's registers and run state, 4 KiB of the memory that translated code works on.
//
// hart.ts reserves it in the device area; the interpreter and translated code run on it; kvm and the tests see it
// through class Hart. Offsets are bytes from the block's base; i64 unless said otherwise, little-endian, lo word first.
//
//     0x000  x0..x31                                   0x140  privilege mode, i32
//     0x100  pc                                        0x144  shadow root: host address, i32; -1 = none
//     0x108  budget, i32                               0x148  instructions that trapped
//     0x10c  exit reason, i32                          0x150  instructions attempted at the last trap; -1 = none
//     0x110  instructions attempted, plus the budget   0x158  interrupt lines of devices, i32
//     0x118  the clock in virtual ns, plus the budget  0x15c  address of the TLB, i32
//     0x120  ns per tick of the time CSR; 0 = ask      0x160  fills of the TLB by access kind, three i64, and
//     0x128  data TLB base of the context, i32         0x178  walks, both without those of
//     0x12c  fetch TLB base of the context, i32        0x180  reservation: host address, i32; -1 = none
//     0x130  jump cache base, i32                      0x184  reservation: bytes, i32
//     0x134  computed jump that strayed, i32           0x188  what names the present tables (regimes.ts)
//     0x138  address that missed, or a system          0x190  what is left to the hart, i32 (Grant)
//            instruction (all three the translator's)  0x194  flushes that the second level missed, i32: their number
//                                                      0x198  plain walks by access kind: fills, three i64
//                                                      0x200  CSRs, one i64 each, in the order of CSR_SLOTS
//                                                      0x400  contexts by what they depend on (regimes.ts)
//                                                      0x800  those flushes (missedFlushes.ts)
//                                                      0x900  roots that kvm grants: {satp i64, root i32, unused}
//
// Invariants: x0 is 0; pc is even; the budget counts down by one for each instruction that retires or traps. What stands
// from 0x108 to 0x140 concerns one run only, and depends on how runs are sliced.

export const BLOCK_BYTES = 4096;

export const BLOCK_X = 0x000;
export const BLOCK_PC = 0x100;
export const BLOCK_BUDGET = 0x108;
export const BLOCK_EXIT = 0x10c;
/** At any time in a run, what the hart has attempted since reset is this less the budget. */
export const BLOCK_ATTEMPTS = 0x110;
/** At any time in a run, the board's clock in ns is this less the budget. */
export const BLOCK_CLOCK = 0x118;
export const BLOCK_TICK = 0x120;
export const BLOCK_DTLB = 0x128;
export const BLOCK_ITLB = 0x12c;
export const BLOCK_JUMP_CACHE = 0x130;
/** Translator: low word of the address of the computed jump that the regions did not expect to lead where it led; odd. */
export const BLOCK_STRAYED = 0x134;
/** Translator: the address of the access that missed the data TLB; or the decoded system instruction to execute. */
export const BLOCK_MISSED = 0x138;
export const BLOCK_PRIVILEGE = 0x140;
export const BLOCK_SHADOW_ROOT = 0x144;
export const BLOCK_TRAPPED = 0x148;
export const BLOCK_HANDLER = 0x150;
/** MTIP, MSIP, MEIP and SEIP, as bits of mip. */
export const BLOCK_LINES = 0x158;
export const BLOCK_TLB = 0x15c;
/** Counts, i64 each. What a plain walk filled is counted in BLOCK_REFILLS alone. */
export const BLOCK_FILLS = 0x160;
export const BLOCK_WALKS = 0x178;
export const BLOCK_RESERVATION = 0x180;
export const BLOCK_RESERVATION_LENGTH = 0x184;
export const BLOCK_TABLES = 0x188;
export const BLOCK_GRANT = 0x190;
export const BLOCK_MISSED_FLUSHES = 0x194;
export const BLOCK_REFILLS = 0x198;
export const BLOCK_CSRS = 0x200;
export const BLOCK_CONTEXTS = 0x400;
export const BLOCK_FLUSHES = 0x800;
export const BLOCK_ROOTS = 0x900;

/** Bits of what the hart does itself and without an exit. */
export const Grant = {
  /** satp and sfence.vma: nobody else has a part in its translation (tdp). */
  all: 1,
  /** sfence.vma: what kvm made of the guest's tables is in step with them (shadow). */
  fence: 2,
} as const;

/** Roots that can be granted at the same time, and bytes of each. */
export const GRANTED_ROOTS = 8;
export const GRANTED_ROOT_BYTES = 16;

/** CSRs that are plain storage in the block; all others are computed (csr.ts). */
export const CSR_SLOTS = [
  'mstatus',
  'mtvec',
  'medeleg',
  'mideleg',
  'mie',
  /** The bits of mip that software wrote: SSIP, STIP, SEIP. */
  'mip',
  'mcounteren',
  'mcountinhibit',
  'mscratch',
  'mepc',
  'mcause',
  'mtval',
  'menvcfg',
  'stvec',
  'scounteren',
  'senvcfg',
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'satp',
  'stimecmp',
  /** What mcycle and minstret are ahead of the hart's own counts, or their value while inhibited. */
  'mcycle',
  'minstret',
  'pmpcfg0',
  'pmpcfg2',
  'pmpaddr0',
  'pmpaddr1',
  'pmpaddr2',
  'pmpaddr3',
  'pmpaddr4',
  'pmpaddr5',
  'pmpaddr6',
  'pmpaddr7',
  'pmpaddr8',
  'pmpaddr9',
  'pmpaddr10',
  'pmpaddr11',
  'pmpaddr12',
  'pmpaddr13',
  'pmpaddr14',
  'pmpaddr15',
] as const;

export type CsrSlot = (typeof CSR_SLOTS)[number];

/** Byte offset of a stored CSR from the block's base. */
export const csrOffset = (name: CsrSlot): number => BLOCK_CSRS + 8 * CSR_SLOTS.indexOf(name);

/** Why run() returned. */
export const Exit = {
  /** Not an exit: go on in the interpreter at pc. */
  none: 0,
  /** The budget is used up. */
  budget: 1,
  /** A translation is missing: see Hart.fault and Hart.access. */
  mmuFault: 2,
  /** satp or the PMP was written, and the write retired (shadow). */
  satp: 3,
  /** sfence.vma retired (shadow): see Hart.fence. */
  sfence: 4,
  /** wfi retired and no interrupt is pending. */
  wfi: 5,
  /** The first instruction of a trap handler cannot be fetched. */
  crash: 6,
  /** Someone called kick(). */
  kick: 7,
  /** An instruction that retired may have moved Hart.timerDeadline before the end of this run's budget. */
  timer: 8,
} as const;
export type ExitReason = (typeof Exit)[keyof typeof Exit];

/** Names of the exits, by reason, for statistics and traces. */
export const EXIT_NAMES = Object.keys(Exit) as readonly (keyof typeof Exit)[];
