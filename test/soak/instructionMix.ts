// Random instructions for the soaks: mostly sensible ones that work on what the registers of a random guest hold, some
// of any row of the encoding table, some of no row at all.
//
// streamGuest.ts makes whole guests of them, words.ts feeds them to a bare hart.

import { Csr, ENCODINGS, encode, Format, Op } from '../../src/hw/isa/index.ts';
import type { Random } from '../../src/sched/index.ts';

export const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)]!;
/** True once in `times`. */
export const oneIn = (random: Random, times: number): boolean => random.below(times) === 0;
/** A uniform integer in [from, to]. */
export const between = (random: Random, from: number, to: number): number =>
  from + random.below(to - from + 1);

const rows = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Registers that instructions seldom overwrite: addresses, and values worth storing. */
export const POINTERS = [8, 9, 18, 19, 20, 21, 22, 23, 24, 25];
export const VALUES = [16, 17, 26, 27];
const TEMPORARIES = [0, 5, 6, 7, 10, 11, 12, 13, 14, 15, 28, 29];
const LINKS = [0, 1, 5];

const COMPUTATIONS = [...rows(Op.addi, Op.sraiw), ...rows(Op.add, Op.remuw), Op.lui, Op.auipc];
const LOADS = rows(Op.lb, Op.lwu);
const STORES = rows(Op.sb, Op.sd);
const ATOMICS = [...rows(Op.lr_w, Op.amomaxu_d), Op.lr_w, Op.lr_d, Op.sc_w, Op.sc_d, Op.sc_d];
const BRANCHES = rows(Op.beq, Op.bgeu);
const CSR_OPS = rows(Op.csrrw, Op.csrrci);
const FENCES = [Op.fence, Op.fence_i, Op.fence_i, Op.sfence_vma, Op.sfence_vma, Op.sfence_vma];
const TRAPS = [Op.ecall, Op.ebreak, Op.mret, Op.sret, Op.mret, Op.sret];
const CSRS = Object.values(Csr);
/** Those that change what runs next and how addresses are translated. */
const CONTROL_CSRS = [
  Csr.satp,
  Csr.satp,
  Csr.satp,
  Csr.mstatus,
  Csr.sstatus,
  Csr.mepc,
  Csr.sepc,
  Csr.mie,
  Csr.sie,
  Csr.mip,
  Csr.sip,
  Csr.medeleg,
  Csr.mideleg,
  Csr.menvcfg,
  Csr.stimecmp,
  Csr.pmpcfg0,
  Csr.pmpaddr0,
];

const anyRegister = (random: Random): number => random.below(32);
const destination = (random: Random): number =>
  oneIn(random, 24) ? anyRegister(random) : pick(random, TEMPORARIES);
const source = (random: Random): number => {
  const dice = random.below(8);
  if (dice === 0) return anyRegister(random);
  return dice < 3 ? pick(random, VALUES) : pick(random, TEMPORARIES);
};
const pointer = (random: Random): number =>
  oneIn(random, 16) ? anyRegister(random) : pick(random, POINTERS);
const imm12 = (random: Random): number => between(random, -2048, 2047);
const offset = (random: Random): number => {
  const dice = random.below(12);
  if (dice === 0) return imm12(random);
  if (dice === 1) return between(random, -9, 9);
  return dice < 5 ? 0 : between(random, -32, 31) * 8;
};
const distance = (random: Random): number => between(random, -24, 32) * 2;

const computation = (random: Random): number => {
  const op = pick(random, COMPUTATIONS);
  const { format } = ENCODINGS[op]!;
  const imm = format === Format.u ? random.next() | 0 : imm12(random);
  return encode(op, destination(random), source(random), source(random), imm);
};

const access = (random: Random): number => {
  const dice = random.below(10);
  const ops = dice < 4 ? LOADS : dice < 8 ? STORES : ATOMICS;
  const imm = ops === ATOMICS ? random.below(4) : offset(random);
  return encode(pick(random, ops), destination(random), pointer(random), source(random), imm);
};

const transfer = (random: Random): number => {
  const dice = random.below(16);
  if (dice < 12) return encode(pick(random, BRANCHES), 0, source(random), source(random), distance(random));
  const link = pick(random, LINKS);
  if (dice < 14) return encode(Op.jal, link, 0, 0, distance(random));
  return dice === 14
    ? encode(Op.jalr, link, pick(random, LINKS), 0, 0)
    : encode(Op.jalr, link, pointer(random), 0, between(random, -64, 64));
};

const csrAccess = (random: Random): number => {
  const dice = random.below(16);
  const csr = dice < 8 ? pick(random, CONTROL_CSRS) : dice < 15 ? pick(random, CSRS) : random.below(4096);
  const from = oneIn(random, 2) ? pick(random, VALUES) : anyRegister(random);
  return encode(pick(random, CSR_OPS), destination(random), from, 0, csr);
};

const system = (random: Random): number => {
  const dice = random.below(48);
  if (dice === 0) return encode(Op.wfi, 0, 0, 0, 0);
  if (dice < 32) {
    const [address, asid] = [oneIn(random, 2) ? 0 : pointer(random), oneIn(random, 2) ? 0 : source(random)];
    return encode(pick(random, FENCES), 0, address, asid, 0xff);
  }
  return encode(pick(random, TRAPS), 0, 0, 0, 0);
};

const anyRow = (random: Random): number =>
  encode(
    between(random, 1, ENCODINGS.length - 1),
    anyRegister(random),
    anyRegister(random),
    anyRegister(random),
    random.next() | 0,
  );

/** One 32-bit instruction, or what may be one; or two 16-bit ones, or what may be two. */
export function randomWord(random: Random): number {
  const dice = random.below(100);
  if (dice < 80) return calmWord(random);
  if (dice < 86) return csrAccess(random);
  if (dice < 91) return system(random);
  return dice < 96 ? anyRow(random) : random.next() | 0;
}

/** One that seldom traps, if the pointers are good. */
export function calmWord(random: Random): number {
  const dice = random.below(80);
  if (dice < 28) return computation(random);
  if (dice < 60) return access(random);
  return dice < 74 ? transfer(random) : compressedPair(random);
}

const compressedPair = (random: Random): number => compressed(random) | (compressed(random) << 16);

/** Any halfword whose low bits say that it is 16 bits long. */
function compressed(random: Random): number {
  const bits = random.below(0x10000);
  return (bits & 3) === 3 ? bits & ~random.below(3) & ~1 : bits;
}
