// CSRs: names and numbers of the control and status registers of M, S and U mode.
//
// The assembler and the disassembler know every name here; which of them a hart has, and what they do, is decided in
// hw/hart.
//
// Source: RISC-V Privileged ISA, "CSR Listing"; Debug Specification for tselect to mcontext and dcsr to dscratch1. Those
// of the hypervisor extension and the RV32-only halves are not Umbra's.

export const Csr = {
  fflags: 0x001,
  frm: 0x002,
  fcsr: 0x003,
  cycle: 0xc00,
  time: 0xc01,
  instret: 0xc02,
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  scountinhibit: 0x120,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  scountovf: 0xda0,
  satp: 0x180,
  scontext: 0x5a8,
  sstateen0: 0x10c,
  sstateen1: 0x10d,
  sstateen2: 0x10e,
  sstateen3: 0x10f,
  mvendorid: 0xf11,
  marchid: 0xf12,
  mimpid: 0xf13,
  mhartid: 0xf14,
  mconfigptr: 0xf15,
  mstatus: 0x300,
  misa: 0x301,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mstateen0: 0x30c,
  mstateen1: 0x30d,
  mstateen2: 0x30e,
  mstateen3: 0x30f,
  mcountinhibit: 0x320,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  mtinst: 0x34a,
  mtval2: 0x34b,
  mseccfg: 0x747,
  mcycle: 0xb00,
  minstret: 0xb02,
  tselect: 0x7a0,
  tdata1: 0x7a1,
  tdata2: 0x7a2,
  tdata3: 0x7a3,
  tinfo: 0x7a4,
  tcontrol: 0x7a5,
  mcontext: 0x7a8,
  dcsr: 0x7b0,
  dpc: 0x7b1,
  dscratch0: 0x7b2,
  dscratch1: 0x7b3,
  /** First of the numbered families; see FAMILIES. */
  hpmcounter3: 0xc03,
  mhpmcounter3: 0xb03,
  mhpmevent3: 0x323,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
} as const;

/** prefix, number of its first member, first and last index, step between the indices that exist on RV64. */
const FAMILIES: readonly (readonly [string, number, number, number, number])[] = [
  ['hpmcounter', Csr.hpmcounter3, 3, 31, 1],
  ['mhpmcounter', Csr.mhpmcounter3, 3, 31, 1],
  ['mhpmevent', Csr.mhpmevent3, 3, 31, 1],
  ['pmpcfg', Csr.pmpcfg0, 0, 14, 2],
  ['pmpaddr', Csr.pmpaddr0, 0, 63, 1],
];

const NUMBERS: ReadonlyMap<string, number> = new Map<string, number>([
  ...Object.entries(Csr),
  ...FAMILIES.flatMap(([prefix, base, first, last, step]) =>
    Array.from({ length: (last - first) / step + 1 }, (_, i): [string, number] => [
      `${prefix}${first + i * step}`,
      base + i * step,
    ]),
  ),
]);

const NAMES: ReadonlyMap<number, string> = new Map(
  Array.from(NUMBERS, ([name, number]): [number, string] => [number, name]),
);

/** The name of a CSR in 0..4095, or its number in hex where it has none. */
export const csrName = (csr: number): string => NAMES.get(csr) ?? `0x${csr.toString(16)}`;

/** The number of a named CSR, or undefined. */
export const csrNumber = (name: string): number | undefined => NUMBERS.get(name);
