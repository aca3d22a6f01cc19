// Encoding: the one table of Umbra's instruction set, RV64IMA + Zicsr + Zifencei + the privileged instructions.
//
// The decoder, the encoder, the disassembler, the assembler, the interpreter and the translator all stand on it: an
// instruction is a row here (name, id, format, match) and its meaning is one case in hw/hart. Compressed instructions
// have no rows: they expand to these (compressed.ts).
//
// Source: RISC-V Unprivileged ISA, "RV32/64G Instruction Set Listings"; Privileged ISA, "Instruction Set Listings".
// Invariants: ids are dense, 1..OP_COUNT-1, below 256; 0 is every illegal word. No word matches two rows.

/** Instruction ids. A mnemonic's dot is an underscore here: `Op.amoadd_w`, `Op.fence_i`. */
export const Op = {
  illegal: 0,

  // RV64I: upper immediates, jumps, branches
  lui: 1,
  auipc: 2,
  jal: 3,
  jalr: 4,
  beq: 5,
  bne: 6,
  blt: 7,
  bge: 8,
  bltu: 9,
  bgeu: 10,
  // RV64I: loads and stores
  lb: 11,
  lh: 12,
  lw: 13,
  ld: 14,
  lbu: 15,
  lhu: 16,
  lwu: 17,
  sb: 18,
  sh: 19,
  sw: 20,
  sd: 21,
  // RV64I: register with immediate
  addi: 22,
  slti: 23,
  sltiu: 24,
  xori: 25,
  ori: 26,
  andi: 27,
  slli: 28,
  srli: 29,
  srai: 30,
  addiw: 31,
  slliw: 32,
  srliw: 33,
  sraiw: 34,
  // RV64I: register with register
  add: 35,
  sub: 36,
  sll: 37,
  slt: 38,
  sltu: 39,
  xor: 40,
  srl: 41,
  sra: 42,
  or: 43,
  and: 44,
  addw: 45,
  subw: 46,
  sllw: 47,
  srlw: 48,
  sraw: 49,
  // M
  mul: 50,
  mulh: 51,
  mulhsu: 52,
  mulhu: 53,
  div: 54,
  divu: 55,
  rem: 56,
  remu: 57,
  mulw: 58,
  divw: 59,
  divuw: 60,
  remw: 61,
  remuw: 62,
  // A
  lr_w: 63,
  sc_w: 64,
  amoswap_w: 65,
  amoadd_w: 66,
  amoxor_w: 67,
  amoand_w: 68,
  amoor_w: 69,
  amomin_w: 70,
  amomax_w: 71,
  amominu_w: 72,
  amomaxu_w: 73,
  lr_d: 74,
  sc_d: 75,
  amoswap_d: 76,
  amoadd_d: 77,
  amoxor_d: 78,
  amoand_d: 79,
  amoor_d: 80,
  amomin_d: 81,
  amomax_d: 82,
  amominu_d: 83,
  amomaxu_d: 84,
  // Memory order and privileged
  fence: 85,
  fence_i: 86,
  ecall: 87,
  ebreak: 88,
  sret: 89,
  mret: 90,
  wfi: 91,
  sfence_vma: 92,
  // Zicsr
  csrrw: 93,
  csrrs: 94,
  csrrc: 95,
  csrrwi: 96,
  csrrsi: 97,
  csrrci: 98,
} as const;

/** A name in `Op` that an instruction has. */
export type OpName = Exclude<keyof typeof Op, 'illegal'>;

/** Ids run from 0 (illegal) to OP_COUNT - 1. */
export const OP_COUNT = 99;

/** What the operand fields of a word are, and so how assembly text lists them. */
export const Format = {
  /** rd, rs1, rs2 */
  r: 0,
  /** rd, rs1, imm */
  i: 1,
  /** rd, rs1, shamt of 6 bits */
  shift: 2,
  /** rd, rs1, shamt of 5 bits (the W forms) */
  shiftw: 3,
  /** rd, imm(rs1) */
  load: 4,
  /** rd, imm(rs1), control transfer */
  jalr: 5,
  /** rs2, imm(rs1) */
  store: 6,
  /** rs1, rs2, pc-relative target */
  branch: 7,
  /** rd, imm << 12 */
  u: 8,
  /** rd, pc-relative target */
  j: 9,
  /** rd, rs2, (rs1), with .aq and .rl */
  amo: 10,
  /** rd, (rs1), with .aq and .rl */
  lr: 11,
  /** rd, csr, rs1 */
  csr: 12,
  /** rd, csr, zimm of 5 bits in the rs1 field */
  csri: 13,
  /** predecessor set, successor set */
  fence: 14,
  /** no operand; rd, rs1 and imm are reserved and ignored */
  fencei: 15,
  /** rs1 address, rs2 ASID */
  sfence: 16,
  /** no operand */
  none: 17,
} as const;

export type FormatId = (typeof Format)[keyof typeof Format];

/** The bits of a word that its format fixes; the rest are operands. */
const FORMAT_MASK: Readonly<Record<FormatId, number>> = {
  [Format.r]: 0xfe00707f,
  [Format.i]: 0x0000707f,
  [Format.shift]: 0xfc00707f,
  [Format.shiftw]: 0xfe00707f,
  [Format.load]: 0x0000707f,
  [Format.jalr]: 0x0000707f,
  [Format.store]: 0x0000707f,
  [Format.branch]: 0x0000707f,
  [Format.u]: 0x0000007f,
  [Format.j]: 0x0000007f,
  [Format.amo]: 0xf800707f,
  [Format.lr]: 0xf9f0707f,
  [Format.csr]: 0x0000707f,
  [Format.csri]: 0x0000707f,
  [Format.fence]: 0x0000707f,
  [Format.fencei]: 0x0000707f,
  [Format.sfence]: 0xfe007fff,
  [Format.none]: 0xffffffff,
};

/** One instruction. `match` and `mask` are signed 32-bit: a word is this one when (word & mask) === match. */
export interface Encoding {
  /** As assembly spells it: "amoadd.w". */
  readonly mnemonic: string;
  readonly format: FormatId;
  readonly match: number;
  readonly mask: number;
}

/** Format and match of each instruction. */
const ROWS: Readonly<Record<OpName, readonly [format: FormatId, match: number]>> = {
  // RV64I: upper immediates, jumps, branches
  lui: [Format.u, 0x00000037],
  auipc: [Format.u, 0x00000017],
  jal: [Format.j, 0x0000006f],
  jalr: [Format.jalr, 0x00000067],
  beq: [Format.branch, 0x00000063],
  bne: [Format.branch, 0x00001063],
  blt: [Format.branch, 0x00004063],
  bge: [Format.branch, 0x00005063],
  bltu: [Format.branch, 0x00006063],
  bgeu: [Format.branch, 0x00007063],
  // RV64I: loads and stores
  lb: [Format.load, 0x00000003],
  lh: [Format.load, 0x00001003],
  lw: [Format.load, 0x00002003],
  ld: [Format.load, 0x00003003],
  lbu: [Format.load, 0x00004003],
  lhu: [Format.load, 0x00005003],
  lwu: [Format.load, 0x00006003],
  sb: [Format.store, 0x00000023],
  sh: [Format.store, 0x00001023],
  sw: [Format.store, 0x00002023],
  sd: [Format.store, 0x00003023],
  // RV64I: register with immediate
  addi: [Format.i, 0x00000013],
  slti: [Format.i, 0x00002013],
  sltiu: [Format.i, 0x00003013],
  xori: [Format.i, 0x00004013],
  ori: [Format.i, 0x00006013],
  andi: [Format.i, 0x00007013],
  slli: [Format.shift, 0x00001013],
  srli: [Format.shift, 0x00005013],
  srai: [Format.shift, 0x40005013],
  addiw: [Format.i, 0x0000001b],
  slliw: [Format.shiftw, 0x0000101b],
  srliw: [Format.shiftw, 0x0000501b],
  sraiw: [Format.shiftw, 0x4000501b],
  // RV64I: register with register
  add: [Format.r, 0x00000033],
  sub: [Format.r, 0x40000033],
  sll: [Format.r, 0x00001033],
  slt: [Format.r, 0x00002033],
  sltu: [Format.r, 0x00003033],
  xor: [Format.r, 0x00004033],
  srl: [Format.r, 0x00005033],
  sra: [Format.r, 0x40005033],
  or: [Format.r, 0x00006033],
  and: [Format.r, 0x00007033],
  addw: [Format.r, 0x0000003b],
  subw: [Format.r, 0x4000003b],
  sllw: [Format.r, 0x0000103b],
  srlw: [Format.r, 0x0000503b],
  sraw: [Format.r, 0x4000503b],
  // M
  mul: [Format.r, 0x02000033],
  mulh: [Format.r, 0x02001033],
  mulhsu: [Format.r, 0x02002033],
  mulhu: [Format.r, 0x02003033],
  div: [Format.r, 0x02004033],
  divu: [Format.r, 0x02005033],
  rem: [Format.r, 0x02006033],
  remu: [Format.r, 0x02007033],
  mulw: [Format.r, 0x0200003b],
  divw: [Format.r, 0x0200403b],
  divuw: [Format.r, 0x0200503b],
  remw: [Format.r, 0x0200603b],
  remuw: [Format.r, 0x0200703b],
  // A
  lr_w: [Format.lr, 0x1000202f],
  sc_w: [Format.amo, 0x1800202f],
  amoswap_w: [Format.amo, 0x0800202f],
  amoadd_w: [Format.amo, 0x0000202f],
  amoxor_w: [Format.amo, 0x2000202f],
  amoand_w: [Format.amo, 0x6000202f],
  amoor_w: [Format.amo, 0x4000202f],
  amomin_w: [Format.amo, 0x8000202f],
  amomax_w: [Format.amo, 0xa000202f],
  amominu_w: [Format.amo, 0xc000202f],
  amomaxu_w: [Format.amo, 0xe000202f],
  lr_d: [Format.lr, 0x1000302f],
  sc_d: [Format.amo, 0x1800302f],
  amoswap_d: [Format.amo, 0x0800302f],
  amoadd_d: [Format.amo, 0x0000302f],
  amoxor_d: [Format.amo, 0x2000302f],
  amoand_d: [Format.amo, 0x6000302f],
  amoor_d: [Format.amo, 0x4000302f],
  amomin_d: [Format.amo, 0x8000302f],
  amomax_d: [Format.amo, 0xa000302f],
  amominu_d: [Format.amo, 0xc000302f],
  amomaxu_d: [Format.amo, 0xe000302f],
  // Memory order and privileged
  fence: [Format.fence, 0x0000000f],
  fence_i: [Format.fencei, 0x0000100f],
  ecall: [Format.none, 0x00000073],
  ebreak: [Format.none, 0x00100073],
  sret: [Format.none, 0x10200073],
  mret: [Format.none, 0x30200073],
  wfi: [Format.none, 0x10500073],
  sfence_vma: [Format.sfence, 0x12000073],
  // Zicsr
  csrrw: [Format.csr, 0x00001073],
  csrrs: [Format.csr, 0x00002073],
  csrrc: [Format.csr, 0x00003073],
  csrrwi: [Format.csri, 0x00005073],
  csrrsi: [Format.csri, 0x00006073],
  csrrci: [Format.csri, 0x00007073],
};

const ILLEGAL: Encoding = { mnemonic: 'unimp', format: Format.none, match: 0, mask: -1 };

/** The table, indexed by id; entry 0 is the illegal word of all zero bits. */
export const ENCODINGS: readonly Encoding[] = tabulate();

function tabulate(): Encoding[] {
  const table = new Array<Encoding>(OP_COUNT).fill(ILLEGAL);
  for (const name of Object.keys(ROWS) as OpName[]) {
    const [format, match] = ROWS[name];
    const mnemonic = name.replace('_', '.');
    table[Op[name]] = { mnemonic, format, match: match | 0, mask: FORMAT_MASK[format] | 0 };
  }
  return table;
}

/** The row of an id in [0, OP_COUNT). */
export const encodingOf = (op: number): Encoding => ENCODINGS[op]!;
