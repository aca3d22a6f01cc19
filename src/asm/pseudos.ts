// Pseudos: mnemonics that stand for one or more instructions of the table.
//
// Looked up by instructions.ts. Most are rows: which operands they read and which instructions they become.
//
// Source: RISC-V Assembly Programmer's Manual, "A listing of standard RISC-V pseudoinstructions".

import { Csr, Op } from '../hw/isa/index.ts';
import { emitJump, emitPair, jumpThrough } from './addressing.ts';
import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import { evaluateConstant, wrap } from './expression.ts';
import { loadImmediate } from './loadImmediate.ts';
import { csr } from './operands.ts';

type Handler = (a: Assembly, c: Cursor) => void;

const RA = 1;
const T1 = 6;

/** A register operand by its letter (rd, rs1, rs2), or the number of a fixed register. */
type Field = 'd' | 's' | 't' | number;

type Step = readonly [op: number, rd: Field, rs1: Field, rs2: Field, imm: number];

/** Pseudos with register operands only: the letters that the source gives, in order, and what is emitted. */
const STEPS: Readonly<Record<string, readonly [operands: string, ...steps: Step[]]>> = {
  nop: ['', [Op.addi, 0, 0, 0, 0]],
  unimp: ['', [Op.csrrw, 0, 0, 0, Csr.cycle]],
  ret: ['', [Op.jalr, 0, RA, 0, 0]],
  pause: ['', [Op.fence, 0, 0, 0, 0x010]],
  'fence.tso': ['', [Op.fence, 0, 0, 0, 0x833]],
  mv: ['ds', [Op.addi, 'd', 's', 0, 0]],
  move: ['ds', [Op.addi, 'd', 's', 0, 0]],
  not: ['ds', [Op.xori, 'd', 's', 0, -1]],
  neg: ['dt', [Op.sub, 'd', 0, 't', 0]],
  negw: ['dt', [Op.subw, 'd', 0, 't', 0]],
  'sext.b': ['ds', [Op.slli, 'd', 's', 0, 56], [Op.srai, 'd', 'd', 0, 56]],
  'sext.h': ['ds', [Op.slli, 'd', 's', 0, 48], [Op.srai, 'd', 'd', 0, 48]],
  'sext.w': ['ds', [Op.addiw, 'd', 's', 0, 0]],
  'zext.b': ['ds', [Op.andi, 'd', 's', 0, 255]],
  'zext.h': ['ds', [Op.slli, 'd', 's', 0, 48], [Op.srli, 'd', 'd', 0, 48]],
  'zext.w': ['ds', [Op.slli, 'd', 's', 0, 32], [Op.srli, 'd', 'd', 0, 32]],
  seqz: ['ds', [Op.sltiu, 'd', 's', 0, 1]],
  snez: ['dt', [Op.sltu, 'd', 0, 't', 0]],
  sltz: ['ds', [Op.slt, 'd', 's', 0, 0]],
  sgtz: ['dt', [Op.slt, 'd', 0, 't', 0]],
  sgt: ['dts', [Op.slt, 'd', 's', 't', 0]],
  sgtu: ['dts', [Op.sltu, 'd', 's', 't', 0]],
  rdcycle: ['d', [Op.csrrs, 'd', 0, 0, Csr.cycle]],
  rdtime: ['d', [Op.csrrs, 'd', 0, 0, Csr.time]],
  rdinstret: ['d', [Op.csrrs, 'd', 0, 0, Csr.instret]],
};

type Registers = Readonly<Record<'d' | 's' | 't', number>>;

/** Reads the registers that the letters name, separated by commas. */
function readRegisters(c: Cursor, letters: string): Registers {
  const registers = { d: 0, s: 0, t: 0 };
  for (let i = 0; i < letters.length; i++) {
    if (i > 0) c.comma();
    registers[letters[i] as keyof Registers] = c.register();
  }
  return registers;
}

function steps(operands: string, list: readonly Step[]): Handler {
  return (a, c) => {
    const registers = readRegisters(c, operands);
    const pick = (field: Field): number => (typeof field === 'number' ? field : registers[field]);
    for (const [op, rd, rs1, rs2, imm] of list) a.emit(op, pick(rd), pick(rs1), pick(rs2), imm, c.start);
  };
}

/** Conditional branches: the registers that the source gives, and the branch with its rs1 and rs2. */
const BRANCHES: Readonly<Record<string, readonly [operands: string, op: number, rs1: Field, rs2: Field]>> = {
  beqz: ['s', Op.beq, 's', 0],
  bnez: ['s', Op.bne, 's', 0],
  bltz: ['s', Op.blt, 's', 0],
  bgez: ['s', Op.bge, 's', 0],
  blez: ['t', Op.bge, 0, 't'],
  bgtz: ['t', Op.blt, 0, 't'],
  bgt: ['ts', Op.blt, 's', 't'],
  ble: ['ts', Op.bge, 's', 't'],
  bgtu: ['ts', Op.bltu, 's', 't'],
  bleu: ['ts', Op.bgeu, 's', 't'],
};

function branch(operands: string, op: number, rs1: Field, rs2: Field): Handler {
  return (a, c) => {
    const registers = readRegisters(c, operands);
    const pick = (field: Field): number => (typeof field === 'number' ? field : registers[field]);
    c.comma();
    const index = c.index;
    a.branch(op, pick(rs1), pick(rs2), c.expression(), index);
  };
}

function j(a: Assembly, c: Cursor): void {
  const index = c.index;
  emitJump(a, 0, c.expression(), index);
}

/** auipc and jalr to a symbol. `@plt` says nothing in a static program. */
function farJump(a: Assembly, c: Cursor, rd: number, scratch: number): void {
  const index = c.index;
  const target = c.expression();
  if (c.accept('@') && c.name("'plt'") !== 'plt') c.fail("only '@plt' may follow a symbol");
  emitPair(a, scratch, { op: Op.jalr, rd, rs2: 0 }, target, index);
}

/** `call symbol` or `call rd, symbol`, which goes through t1. */
function call(a: Assembly, c: Cursor): void {
  const hasRd = c.registerAhead() !== undefined && c.peek(1).text === ',';
  const link = hasRd ? c.register() : RA;
  if (hasRd) c.comma();
  farJump(a, c, link, hasRd ? T1 : RA);
}

/** `jump symbol, rt`. */
function jump(a: Assembly, c: Cursor): void {
  const index = c.index;
  const target = c.expression();
  c.comma();
  emitPair(a, c.register(), { op: Op.jalr, rd: 0, rs2: 0 }, target, index);
}

function li(a: Assembly, c: Cursor): void {
  const rd = c.register();
  c.comma();
  const value = c.known('the constant', -(1n << 63n), (1n << 64n) - 1n);
  loadImmediate(a, rd, wrap(value), c.start);
}

/** The address of a symbol, relative to pc; a constant is loaded as li would. */
function la(a: Assembly, c: Cursor): void {
  const rd = c.register();
  c.comma();
  const index = c.index;
  const target = c.expression();
  const value = evaluateConstant(target);
  if (value !== undefined) {
    loadImmediate(a, rd, value, c.start);
    return;
  }
  emitPair(a, rd, { op: Op.addi, rd, rs2: 0 }, target, index);
}

function csrr(a: Assembly, c: Cursor): void {
  const rd = c.register();
  c.comma();
  a.emit(Op.csrrs, rd, 0, 0, csr(c), c.start);
}

/** `csr, rs1` or `csr, imm`; no result. */
function csrWrite(registerOp: number | null, immediateOp: number): Handler {
  return (a, c) => {
    const number = csr(c);
    c.comma();
    if (registerOp !== null && c.registerAhead() !== undefined) {
      a.emit(registerOp, 0, c.register(), 0, number, c.start);
      return;
    }
    a.emit(immediateOp, 0, c.knownNumber('the immediate', 0, 31), 0, number, c.start);
  };
}

/** By mnemonic. */
export const PSEUDOS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ...Object.entries(STEPS).map(([name, [operands, ...list]]): [string, Handler] => [
    name,
    steps(operands, list),
  ]),
  ...Object.entries(BRANCHES).map(([name, row]): [string, Handler] => [name, branch(...row)]),
  ['j', j],
  ['jr', (a, c) => jumpThrough(a, c, 0)],
  ['call', call],
  ['tail', (a, c) => farJump(a, c, 0, T1)],
  ['jump', jump],
  ['li', li],
  ['la', la],
  ['lla', la],
  ['csrr', csrr],
  ['csrw', csrWrite(Op.csrrw, Op.csrrwi)],
  ['csrs', csrWrite(Op.csrrs, Op.csrrsi)],
  ['csrc', csrWrite(Op.csrrc, Op.csrrci)],
  ['csrwi', csrWrite(null, Op.csrrwi)],
  ['csrsi', csrWrite(null, Op.csrrsi)],
  ['csrci', csrWrite(null, Op.csrrci)],
]);
