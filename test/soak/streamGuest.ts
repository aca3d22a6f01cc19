// A random guest for the soak `streams`: code, page tables, trap vectors, CSRs and registers, all by chance, so that it
// runs in every mode, translated or not, and reaches for everything in and out of its memory.
//
// Guest RAM: page 0 holds the start (it touches the data pages or not, sets CSRs and registers of each hart from a table,
// and goes into the code by mret) and trap handlers that return into the code; pages 1 and 2 the code; then tables; the
// rest is data. A guest is a function of its seed.

import { Csr, encode, Op } from '../../src/hw/isa/index.ts';
import type { Random } from '../../src/sched/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { type ElfImage, type ElfSymbol, Layout } from '../../src/vmm/index.ts';
import { between, calmWord, oneIn, POINTERS, pick, randomWord, VALUES } from './instructionMix.ts';

const RAM = Layout.ram;
const CODE = RAM + PAGE_SIZE;
const CODE_PAGES = 2;
const TABLES = [3, 4, 5, 6, 7, 8].map((page) => RAM + page * PAGE_SIZE);
const [ROOT, OTHER_ROOT, MIDDLE, OTHER_MIDDLE, LEAF, OTHER_LEAF] = TABLES as [
  number,
  number,
  number,
  number,
  number,
  number,
];
const DATA = RAM + 9 * PAGE_SIZE;
const TOHOST = DATA + PAGE_SIZE / 2;

/** In page 0. The register table of hart i is at TABLE_OFFSET + i * TABLE_BYTES. */
const M_HANDLER = RAM + 0x300;
const S_HANDLER = RAM + 0x380;
const TABLE_OFFSET = 0x400;
const TABLE_SHIFT = 10;
const TABLE_BYTES = 1 << TABLE_SHIFT;

const T5 = 30;
const T6 = 31;

/** CSRs that the start sets, in this order; mstatus comes last of all. */
const START_CSRS = [
  Csr.pmpaddr0,
  Csr.pmpcfg0,
  Csr.mtvec,
  Csr.stvec,
  Csr.mepc,
  Csr.sepc,
  Csr.medeleg,
  Csr.mideleg,
  Csr.mie,
  Csr.mip,
  Csr.mcounteren,
  Csr.scounteren,
  Csr.menvcfg,
  Csr.mscratch,
  Csr.sscratch,
  Csr.stimecmp,
  Csr.satp,
];

/** In the register table: from where to where the start writes a word to each page. */
const TOUCHED = 32 + START_CSRS.length;

/** What a guest is like. */
interface Character {
  readonly random: Random;
  readonly ramPages: number;
  /** Seldom does what traps, so that code gets hot. */
  readonly isCalm: boolean;
  /** Its code is for U mode, else for S. */
  readonly isUser: boolean;
  /** Where its code starts, and how long it is. */
  readonly entry: number;
  readonly codeBytes: number;
}

export interface StreamGuest {
  readonly image: ElfImage;
  readonly ramBytes: number;
}

export function streamGuest(random: Random, ramPages: number, harts: number): StreamGuest {
  const character = {
    random,
    ramPages,
    isCalm: oneIn(random, 3),
    isUser: oneIn(random, 2),
    entry: CODE + random.below(PAGE_SIZE / 2) * 2,
    codeBytes: between(random, 20, 500) * 4,
  };
  const bytes = new Uint8Array(9 * PAGE_SIZE);
  const words = new Int32Array(bytes.buffer);
  const entries = new BigUint64Array(bytes.buffer);
  words.set(startCode(), 0);
  words.set(handler(Csr.mscratch, Csr.mepc, Op.mret, M_HANDLER, character), (M_HANDLER - RAM) / 4);
  words.set(handler(Csr.sscratch, Csr.sepc, Op.sret, S_HANDLER, character), (S_HANDLER - RAM) / 4);
  writeCode(character, new Uint16Array(bytes.buffer));
  for (const table of TABLES) writeTable(character, entries, table);
  for (let hart = 0; hart < harts; hart++)
    entries.set(startState(character), (TABLE_OFFSET + hart * TABLE_BYTES) / 8);
  const segment = { address: RAM, virtualAddress: RAM, fileBytes: bytes, memoryBytes: bytes.length };
  const symbols = oneIn(random, 4) ? HTIF_SYMBOLS : NO_SYMBOLS;
  return { image: { entry: RAM, segments: [segment], symbols }, ramBytes: ramPages * PAGE_SIZE };
}

/** tohost and fromhost in a data page: then stores there are tracked, and what they say is executed. */
const HTIF_SYMBOLS: ReadonlyMap<string, ElfSymbol> = new Map([
  ['tohost', { address: TOHOST, bytes: 8 }],
  ['fromhost', { address: TOHOST + 64, bytes: 8 }],
]);
const NO_SYMBOLS: ReadonlyMap<string, ElfSymbol> = new Map();

// The start, and the handlers

function startCode(): number[] {
  const code = [
    encode(Op.auipc, T6, 0, 0, 0),
    encode(Op.csrrs, T5, 0, 0, Csr.mhartid),
    encode(Op.slli, T5, T5, 0, TABLE_SHIFT),
    encode(Op.add, T6, T6, T5, 0),
    encode(Op.addi, T6, T6, 0, TABLE_OFFSET),
  ];
  const loaded = (slot: number, register: number): number => encode(Op.ld, register, T6, 0, slot * 8);
  const [from, to, step] = [5, 6, 7];
  code.push(loaded(TOUCHED, from), loaded(TOUCHED + 1, to), encode(Op.lui, step, 0, 0, PAGE_SIZE));
  code.push(
    encode(Op.bgeu, 0, from, to, 16),
    encode(Op.sd, 0, from, from, 0),
    encode(Op.add, from, from, step, 0),
    encode(Op.jal, 0, 0, 0, -12),
  );
  START_CSRS.forEach((csr, i) => {
    code.push(loaded(32 + i, T5), encode(Op.csrrw, 0, T5, 0, csr));
  });
  for (let register = 1; register < T5; register++) code.push(loaded(register, register));
  code.push(loaded(T5, T5), loaded(T6, T6));
  code.push(encode(Op.csrrw, 0, T5, 0, Csr.mstatus), encode(Op.mret, 0, 0, 0, 0));
  return code;
}

/** Skips four bytes within the code, goes to its start from anywhere else; x30 is lost. */
function handler(scratch: number, epc: number, back: number, self: number, code: Character): number[] {
  const swap = encode(Op.csrrw, T6, T6, 0, scratch);
  const distance = [swap, encode(Op.csrrs, T6, 0, 0, epc)];
  distance.push(...farAddress(T5, code.entry - self - distance.length * 4), encode(Op.sub, T6, T6, T5, 0));
  const next = [
    encode(Op.addi, T5, 0, 0, code.codeBytes),
    encode(Op.bltu, 0, T6, T5, 8),
    encode(Op.addi, T6, 0, 0, -4),
    encode(Op.addi, T6, T6, 0, 4),
  ];
  const start = farAddress(T5, code.entry - self - (distance.length + next.length) * 4);
  const add = encode(Op.add, T6, T6, T5, 0);
  return [
    ...distance,
    ...next,
    ...start,
    add,
    encode(Op.csrrw, 0, T6, 0, epc),
    swap,
    encode(back, 0, 0, 0, 0),
  ];
}

/** auipc, addi: the address `distance` bytes from the first. */
function farAddress(register: number, distance: number): number[] {
  const low = (distance << 20) >> 20;
  return [encode(Op.auipc, register, 0, 0, distance - low), encode(Op.addi, register, register, 0, low)];
}

/** Random code, and here and there a way back to its start; nothing else in its pages but ways back. */
function writeCode({ random, isCalm, entry, codeBytes }: Character, halves: Uint16Array): void {
  const start = (entry - RAM) / 2;
  const end = start + codeBytes / 2 - 2;
  const word = isCalm ? calmWord : randomWord;
  for (let i = start; i < end; i += 2) putWord(halves, i, oneIn(random, 40) ? back(start - i) : word(random));
  const first = (CODE - RAM) / 2;
  for (let i = first + ((start - first) % 2); i < first + CODE_PAGES * (PAGE_SIZE / 2) - 1; i += 2)
    if (i < start || i >= end) putWord(halves, i, back(start - i));
}

const back = (halfwords: number): number => encode(Op.jal, 0, 0, 0, halfwords * 2);

function putWord(halves: Uint16Array, at: number, word: number): void {
  halves[at] = word & 0xffff;
  halves[at + 1] = word >>> 16;
}

// Page tables

const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const A = 64;
const D = 128;
const CODE_FLAGS = V | R | W | X | A | D;
const LEAF_FLAGS = [
  CODE_FLAGS,
  V | R | W | X | A | D,
  V | R | W | X,
  V | R | W | A | D,
  V | R | W,
  V | R,
  V | R | A,
  V | X,
];

const entryOf = (address: number, flags: number): bigint =>
  (BigInt(Math.floor(address / PAGE_SIZE)) << 10n) | BigInt(flags);

const leafFlags = (random: Random): number =>
  (oneIn(random, 3) ? pick(random, LEAF_FLAGS) : V | R | W | X) | (oneIn(random, 2) ? U : 0);

/** What a table holds: one that maps RAM to itself, odd things among it and beyond. */
function writeTable({ random, ramPages, isUser }: Character, entries: BigUint64Array, table: number): void {
  const put = (index: number, entry: bigint): void => {
    entries[(table - RAM) / 8 + index] = entry;
  };
  const oddities = random.below(24);
  if (table === ROOT || table === OTHER_ROOT) {
    for (let i = 0; i < oddities; i++) put(random.below(512), randomEntry(random, ramPages));
    for (const index of [0, 2, 511]) put(index, entryOf(pick(random, [MIDDLE, OTHER_MIDDLE]), V));
    if (oneIn(random, 12)) put(2, entryOf(RAM, leafFlags(random)));
  } else if (table === MIDDLE || table === OTHER_MIDDLE) {
    for (let i = 0; i < oddities; i++) put(random.below(512), randomEntry(random, ramPages));
    for (const index of [0, 1, 511]) put(index, entryOf(pick(random, [LEAF, LEAF, OTHER_LEAF]), V));
    if (oneIn(random, 6)) put(0, entryOf(RAM, CODE_FLAGS | (isUser ? U : 0)));
  } else {
    const data = (): number => (isUser ? U : 0) ^ (oneIn(random, 8) ? U : 0);
    for (let page = 0; page < ramPages; page++)
      put(page, entryOf(RAM + page * PAGE_SIZE, (leafFlags(random) & ~U) | data()));
    for (let i = 0; i < oddities; i++) put(oddIndex(random, ramPages), randomEntry(random, ramPages));
    const hasAccessed = oneIn(random, 4) ? 0 : A | D;
    for (let page = 0; page <= CODE_PAGES; page++)
      put(page, entryOf(RAM + page * PAGE_SIZE, V | R | W | X | hasAccessed | (isUser && page > 0 ? U : 0)));
  }
}

const oddIndex = (random: Random, ramPages: number): number =>
  oneIn(random, 3) ? random.below(512) : random.below(ramPages);

/** Any entry: a leaf, a table, a superpage in or out of place, a device, nothing, bits. */
function randomEntry(random: Random, ramPages: number): bigint {
  const dice = random.below(12);
  if (dice < 5) return entryOf(RAM + random.below(ramPages) * PAGE_SIZE, leafFlags(random));
  if (dice < 7) return entryOf(pick(random, TABLES), V);
  if (dice === 7) return entryOf(pick(random, PLACES), leafFlags(random));
  if (dice === 8) return entryOf(RAM + random.below(ramPages) * PAGE_SIZE, random.below(256));
  if (dice === 9) return random64(random);
  return dice === 10 ? entryOf(RAM, leafFlags(random)) : 0n;
}

// Registers and CSRs

/** Guest physical places with nothing, or with a device. */
const PLACES = [
  0,
  PAGE_SIZE,
  Layout.finisher,
  Layout.clint,
  Layout.clint + 0x4000,
  Layout.clint + 0xb000,
  Layout.uart,
  RAM - PAGE_SIZE,
  RAM + 2 ** 21,
  RAM + 2 ** 30,
  2 ** 38 - PAGE_SIZE,
  2 ** 38,
  2 ** 55,
];

const random64 = (random: Random): bigint => (BigInt(random.next()) << 32n) | BigInt(random.next());

/** In data pages, mostly away from their ends. */
function dataAddress(random: Random, ramPages: number): bigint {
  const page = DATA + random.below(ramPages - 9) * PAGE_SIZE;
  return BigInt(page + (oneIn(random, 8) ? between(random, 4080, 4095) : between(random, 64, 448) * 8));
}

/** Addresses, as guests have them in registers; some are none. */
function randomAddress(random: Random, ramPages: number): bigint {
  const page = BigInt(RAM + random.below(ramPages) * PAGE_SIZE);
  const inPage = BigInt(oneIn(random, 4) ? between(random, 4080, 4095) : random.below(512) * 8);
  switch (random.below(28)) {
    case 0:
      return BigInt(pick(random, PLACES)) + (oneIn(random, 2) ? 0n : inPage);
    case 1:
      return BigInt(RAM + ramPages * PAGE_SIZE) - BigInt(random.below(16));
    case 2:
      return BigInt.asUintN(64, BigInt(between(random, -4096, 4096)));
    case 3:
      return random64(random);
    case 4:
      return BigInt.asUintN(64, page + inPage - (1n << 39n));
    case 5:
      return page - BigInt(RAM) + inPage;
    case 6:
      return BigInt(Layout.clint) + BigInt(pick(random, [0, 0x4000, 0xbff8]));
    case 7:
      return BigInt(Layout.uart) + BigInt(random.below(8));
    case 8:
    case 9:
    case 10:
    case 11:
      return BigInt(pick(random, TABLES) + random.below(ramPages) * 8);
    case 12:
      return BigInt(CODE + random.below(1024) * 2);
    case 13:
      return BigInt(oneIn(random, 4) ? Layout.finisher : TOHOST);
    case 14:
    case 15:
    case 16:
      return page + inPage;
    default:
      return dataAddress(random, ramPages);
  }
}

/** For the finisher: pass, fail, reset. For tohost: exit, print a character; addresses are system calls. */
const COMMANDS = [0x5555n, 0x33333n, 0x7777n, 1n, 7n, (1n << 56n) | (1n << 48n) | 65n];

/** What is worth storing or writing to a CSR: entries, instructions, values of satp and mstatus, numbers. */
function randomValue(random: Random, ramPages: number): bigint {
  switch (random.below(9)) {
    case 0:
      return randomEntry(random, ramPages);
    case 8:
      return pick(random, COMMANDS);
    case 1:
      return BigInt.asUintN(64, BigInt(randomWord(random)));
    case 2:
    case 3:
      return randomSatp(random);
    case 4:
      return BigInt(random.next() & 0x7e1fa2);
    case 5:
      return randomAddress(random, ramPages);
    case 6:
      return BigInt.asUintN(64, BigInt(between(random, -3, 3)));
    default:
      return random64(random);
  }
}

function randomSatp(random: Random): bigint {
  const asid = BigInt(random.below(3)) << 44n;
  const root = BigInt(pick(random, [ROOT, ROOT, OTHER_ROOT]) / PAGE_SIZE);
  const dice = random.below(12);
  if (dice === 0) return 0n;
  if (dice === 1) return random64(random);
  if (dice === 2) return (8n << 60n) | asid | BigInt(Math.floor(pick(random, PLACES) / PAGE_SIZE));
  return (8n << 60n) | asid | root;
}

/** x1..x31 at their indices, with mstatus as x30; from 32 on the CSRs of START_CSRS; then what the start touches. */
function startState(character: Character): bigint[] {
  const { random, ramPages, isCalm } = character;
  const state: bigint[] = [0n];
  for (let register = 1; register < 32; register++) {
    if (POINTERS.includes(register))
      state.push(isCalm ? dataAddress(random, ramPages) : randomAddress(random, ramPages));
    else if (VALUES.includes(register)) state.push(randomValue(random, ramPages));
    else state.push(oneIn(random, 2) ? random64(random) : randomValue(random, ramPages));
  }
  state[T5] = startStatus(character);
  for (const csr of START_CSRS) state.push(startCsr(character, csr));
  state.push(BigInt(DATA), BigInt(oneIn(random, 2) ? RAM + ramPages * PAGE_SIZE : DATA));
  return state;
}

const MPP_SHIFT = 11n;
const MPRV = 1n << 17n;

function startStatus({ random, isUser }: Character): bigint {
  const mode = isUser ? 0 : 1;
  const mpp = BigInt(pick(random, [mode, mode, mode, mode, mode, 1 - mode, 3, 3])) << MPP_SHIFT;
  // SUM, MXR, TVM, TW, TSR, MPIE, SPIE, SIE by chance; MIE (bit 3) only for what follows mret.
  const others = BigInt(random.next() & random.next() & 0x7c01a2);
  return mpp | others | (oneIn(random, 4) ? MPRV : 0n);
}

function startCsr({ random, entry, ramPages }: Character, csr: number): bigint {
  const often = (value: bigint): bigint => (oneIn(random, 10) ? randomValue(random, ramPages) : value);
  switch (csr) {
    case Csr.pmpaddr0:
      return (1n << 54n) - 1n;
    case Csr.pmpcfg0:
      return 0x1fn;
    case Csr.mtvec:
      return often(BigInt(oneIn(random, 5) ? entry : M_HANDLER));
    case Csr.stvec:
      return often(BigInt(oneIn(random, 5) ? entry : S_HANDLER));
    case Csr.mepc:
      return BigInt(entry);
    case Csr.medeleg:
    case Csr.mideleg:
      return oneIn(random, 3) ? random64(random) : 0n;
    case Csr.satp:
      return oneIn(random, 6) ? 0n : randomSatp(random);
    case Csr.stimecmp:
      return oneIn(random, 4) ? BigInt(random.below(4)) : 2n ** 64n - 1n;
    default:
      return oneIn(random, 2) ? 0n : randomValue(random, ramPages);
  }
}
