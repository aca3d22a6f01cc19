// Instructions: the mnemonics of the encoding table, each with the operands that its format asks for.
//
// Called by statements.ts for every statement that is neither directive nor macro. What is not in the table itself is in
// pseudos.ts; the immediate forms that GNU as allows under a register mnemonic (`add a0,a0,1`) are here.

import { ENCODINGS, Format, type FormatId, Op } from '../hw/isa/index.ts';
import { emitImmediate, emitJump, emitPair, jumpThrough } from './addressing.ts';
import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import { atomicAddress, csr, fenceSet, immediate, LOWER_PARTS, memory } from './operands.ts';
import { PSEUDOS } from './pseudos.ts';

/** Reads the operands at the cursor and emits. Throws Fault. */
type Handler = (a: Assembly, c: Cursor) => void;

/** Assembles one instruction; false if there is none of that name. Throws Fault. */
export function assembleInstruction(a: Assembly, mnemonic: string, c: Cursor): boolean {
  const handler = HANDLERS.get(mnemonic) ?? PSEUDOS.get(mnemonic);
  if (handler === undefined) return false;
  handler(a, c);
  c.end();
  return true;
}

/** Register forms that also take an immediate. */
const IMMEDIATE_FORMS: ReadonlyMap<number, number> = new Map([
  [Op.add, Op.addi],
  [Op.slt, Op.slti],
  [Op.sltu, Op.sltiu],
  [Op.xor, Op.xori],
  [Op.or, Op.ori],
  [Op.and, Op.andi],
  [Op.sll, Op.slli],
  [Op.srl, Op.srli],
  [Op.sra, Op.srai],
  [Op.addw, Op.addiw],
  [Op.sllw, Op.slliw],
  [Op.srlw, Op.srliw],
  [Op.sraw, Op.sraiw],
]);

const CSR_IMMEDIATE_FORMS: ReadonlyMap<number, number> = new Map([
  [Op.csrrw, Op.csrrwi],
  [Op.csrrs, Op.csrrsi],
  [Op.csrrc, Op.csrrci],
]);

function registers(a: Assembly, c: Cursor, op: number): void {
  const rd = c.register();
  c.comma();
  const rs1 = c.register();
  c.comma();
  const form = IMMEDIATE_FORMS.get(op);
  if (form !== undefined && c.registerAhead() === undefined) {
    emitImmediate(a, form, rd, rs1, 0, immediate(c, LOWER_PARTS));
    return;
  }
  a.emit(op, rd, rs1, c.register(), 0, c.start);
}

function registerImmediate(a: Assembly, c: Cursor, op: number): void {
  const rd = c.register();
  c.comma();
  const rs1 = c.register();
  c.comma();
  emitImmediate(a, op, rd, rs1, 0, immediate(c, LOWER_PARTS));
}

/** `rd, imm(rs1)`, or `rd, symbol`: the address relative to pc is built in rd first. */
function load(a: Assembly, c: Cursor, op: number): void {
  const rd = c.register();
  c.comma();
  const { offset, base } = memory(c);
  if (base !== undefined) {
    emitImmediate(a, op, rd, base, 0, offset);
    return;
  }
  if (offset.kind !== 'immediate') c.expected('a register in parentheses');
  emitPair(a, rd, { op, rd, rs2: 0 }, offset.expression, offset.index);
}

/** `rs2, imm(rs1)`, or `rs2, symbol, rt`: the address relative to pc is built in rt first. */
function store(a: Assembly, c: Cursor, op: number): void {
  const rs2 = c.register();
  c.comma();
  const { offset, base } = memory(c);
  if (base !== undefined) {
    emitImmediate(a, op, 0, base, rs2, offset);
    return;
  }
  if (offset.kind !== 'immediate') c.expected('a register in parentheses');
  c.comma();
  emitPair(a, c.register(), { op, rd: 0, rs2 }, offset.expression, offset.index);
}

const RA = 1;

/** `rs1`, `rs1, imm` or `imm(rs1)`, which link in ra; or `rd, rs1`, `rd, rs1, imm` or `rd, imm(rs1)`. */
function jumpRegister(a: Assembly, c: Cursor, op: number): void {
  if (c.registerAhead() === undefined) {
    jumpThrough(a, c, RA);
    return;
  }
  const first = c.register();
  if (!c.accept(',')) {
    a.emit(op, RA, first, 0, 0, c.start);
  } else if (c.registerAhead() !== undefined) {
    jumpThrough(a, c, first);
  } else {
    const { offset, base } = memory(c);
    if (base === undefined) emitImmediate(a, op, RA, first, 0, offset);
    else emitImmediate(a, op, first, base, 0, offset);
  }
}

function branch(a: Assembly, c: Cursor, op: number): void {
  const rs1 = c.register();
  c.comma();
  const rs2 = c.register();
  c.comma();
  const index = c.index;
  a.branch(op, rs1, rs2, c.expression(), index);
}

function upperImmediate(a: Assembly, c: Cursor, op: number): void {
  const rd = c.register();
  c.comma();
  emitImmediate(a, op, rd, 0, 0, immediate(c, [op === Op.lui ? 'hi' : 'pcrelHi']));
}

/** `target`, which links in ra, or `rd, target`. */
function jump(a: Assembly, c: Cursor): void {
  const hasRd = c.registerAhead() !== undefined && c.peek(1).text === ',';
  const rd = hasRd ? c.register() : RA;
  if (hasRd) c.comma();
  const index = c.index;
  emitJump(a, rd, c.expression(), index);
}

function atomic(a: Assembly, c: Cursor, op: number, order: number): void {
  const rd = c.register();
  c.comma();
  const rs2 = c.register();
  c.comma();
  a.emit(op, rd, atomicAddress(c), rs2, order, c.start);
}

function loadReserved(a: Assembly, c: Cursor, op: number, order: number): void {
  const rd = c.register();
  c.comma();
  a.emit(op, rd, atomicAddress(c), 0, order, c.start);
}

function csrAccess(a: Assembly, c: Cursor, op: number): void {
  const rd = c.register();
  c.comma();
  const number = csr(c);
  c.comma();
  const form = CSR_IMMEDIATE_FORMS.get(op);
  if (form !== undefined && c.registerAhead() !== undefined) {
    a.emit(op, rd, c.register(), 0, number, c.start);
    return;
  }
  a.emit(form ?? op, rd, c.knownNumber('the immediate', 0, 31), 0, number, c.start);
}

const ALL = 15;

function fence(a: Assembly, c: Cursor, op: number): void {
  let predecessors = ALL;
  let successors = ALL;
  if (!c.atEnd) {
    predecessors = fenceSet(c);
    c.comma();
    successors = fenceSet(c);
  }
  a.emit(op, 0, 0, 0, (predecessors << 4) | successors, c.start);
}

function addressFence(a: Assembly, c: Cursor, op: number): void {
  const rs1 = c.atEnd ? 0 : c.register();
  const rs2 = c.accept(',') ? c.register() : 0;
  a.emit(op, 0, rs1, rs2, 0, c.start);
}

const noOperands = (a: Assembly, c: Cursor, op: number): void => a.emit(op, 0, 0, 0, 0, c.start);

const BY_FORMAT: Readonly<Record<FormatId, (a: Assembly, c: Cursor, op: number, order: number) => void>> = {
  [Format.r]: registers,
  [Format.i]: registerImmediate,
  [Format.shift]: registerImmediate,
  [Format.shiftw]: registerImmediate,
  [Format.load]: load,
  [Format.jalr]: jumpRegister,
  [Format.store]: store,
  [Format.branch]: branch,
  [Format.u]: upperImmediate,
  [Format.j]: jump,
  [Format.amo]: atomic,
  [Format.lr]: loadReserved,
  [Format.csr]: csrAccess,
  [Format.csri]: csrAccess,
  [Format.fence]: fence,
  [Format.fencei]: noOperands,
  [Format.sfence]: addressFence,
  [Format.none]: noOperands,
};

/** Suffixes of atomics, by their aq and rl bits. */
const ORDERS = ['', '.rl', '.aq', '.aqrl'] as const;

const HANDLERS: ReadonlyMap<string, Handler> = new Map(
  ENCODINGS.flatMap(({ mnemonic, format }, op): [string, Handler][] => {
    if (op === Op.illegal) return [];
    const read = BY_FORMAT[format];
    const ordered = format === Format.amo || format === Format.lr;
    return (ordered ? ORDERS : ORDERS.slice(0, 1)).map((suffix, order): [string, Handler] => [
      mnemonic + suffix,
      (a, c) => read(a, c, op, order),
    ]);
  }),
);
