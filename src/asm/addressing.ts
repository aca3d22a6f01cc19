// Addressing: emits instructions whose immediate, or whose address relative to pc, may become known only later.
//
// Shared by instructions.ts and pseudos.ts.

import { Op } from '../hw/isa/index.ts';
import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import type { Expression } from './expression.ts';
import { type Immediate, immediate, LOWER_PARTS, memory } from './operands.ts';

/** Emits `op` with an immediate. Throws Fault. */
export function emitImmediate(
  a: Assembly,
  op: number,
  rd: number,
  rs1: number,
  rs2: number,
  imm: Immediate,
): void {
  const at = a.current.size;
  a.emit(op, rd, rs1, rs2, 0, imm.index);
  a.fix(imm.kind, at, imm.expression, imm.index);
}

/** The second instruction of a pair: `op` with the scratch register as rs1. */
interface Second {
  readonly op: number;
  readonly rd: number;
  readonly rs2: number;
}

/** Emits auipc to `scratch` and then `second`, which together reach `target`. Throws Fault. */
export function emitPair(
  a: Assembly,
  scratch: number,
  second: Second,
  target: Expression,
  index: number,
): void {
  const at = a.current.size;
  a.emit(Op.auipc, scratch, 0, 0, 0, index);
  a.emit(second.op, second.rd, scratch, second.rs2, 0, index);
  a.fix('pcrelPair', at, target, index);
}

/** Emits jal. Throws Fault. */
export function emitJump(a: Assembly, rd: number, target: Expression, index: number): void {
  const at = a.current.size;
  a.emit(Op.jal, rd, 0, 0, 0, index);
  a.fix('target', at, target, index);
}

/** Reads `rs1`, `rs1, imm` or `imm(rs1)` and emits jalr. Throws Fault. */
export function jumpThrough(a: Assembly, c: Cursor, rd: number): void {
  if (c.registerAhead() === undefined) {
    const { offset, base } = memory(c);
    emitImmediate(a, Op.jalr, rd, base ?? c.expected('a register in parentheses'), 0, offset);
    return;
  }
  const rs1 = c.register();
  if (c.accept(',')) emitImmediate(a, Op.jalr, rd, rs1, 0, immediate(c, LOWER_PARTS));
  else a.emit(Op.jalr, rd, rs1, 0, 0, c.start);
}
