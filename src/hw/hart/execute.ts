// Execute: the instructions that the interpreter's switch leaves out because they are rare or long.
//
// Called with the block's pc and budget at the instruction, so that these may trap, exit or read the counters.

import { Op, opOf, rdOf, rs1Of, rs2Of } from '../isa/index.ts';
import * as alu from './alu64.ts';
import type { Hart } from './hart.ts';
import { atomic } from './memoryOps.ts';
import {
  csrInstruction,
  ebreak,
  ecall,
  illegalInstruction,
  mret,
  Step,
  type StepCode,
  sfenceVma,
  sret,
  wfi,
} from './system.ts';

export function execute(hart: Hart, w: number, imm: number): StepCode {
  const op = opOf(w);
  if (op >= Op.mulh && op <= Op.remuw) return multiplyDivide(hart, w);
  if (op >= Op.lr_w && op <= Op.amomaxu_d) return atomic(hart, w) ? Step.next : Step.resync;
  if (op >= Op.csrrw && op <= Op.csrrci) return csrInstruction(hart, w, imm);
  switch (op) {
    case Op.ecall:
      return ecall(hart);
    case Op.ebreak:
      return ebreak(hart);
    case Op.mret:
      return mret(hart, w, imm);
    case Op.sret:
      return sret(hart, w, imm);
    case Op.wfi:
      return wfi(hart, w, imm);
    case Op.sfence_vma:
      return sfenceVma(hart, w, imm);
    default:
      return illegalInstruction(hart, imm);
  }
}

function multiplyDivide(hart: Hart, w: number): StepCode {
  const x = hart.block;
  const d = rdOf(w) * 2;
  const aLo = x[rs1Of(w) * 2]!;
  const aHi = x[rs1Of(w) * 2 + 1]!;
  const bLo = x[rs2Of(w) * 2]!;
  const bHi = x[rs2Of(w) * 2 + 1]!;
  switch (opOf(w)) {
    case Op.mulh:
      alu.mulh(x, d, aLo, aHi, bLo, bHi);
      break;
    case Op.mulhsu:
      alu.mulhsu(x, d, aLo, aHi, bLo, bHi);
      break;
    case Op.mulhu:
      alu.mulhu(x, d, aLo, aHi, bLo, bHi);
      break;
    case Op.div:
      alu.divide(x, d, aLo, aHi, bLo, bHi, false);
      break;
    case Op.rem:
      alu.divide(x, d, aLo, aHi, bLo, bHi, true);
      break;
    case Op.divu:
      alu.divideUnsigned(x, d, aLo, aHi, bLo, bHi, false);
      break;
    case Op.remu:
      alu.divideUnsigned(x, d, aLo, aHi, bLo, bHi, true);
      break;
    case Op.divw:
      alu.divideWord(x, d, aLo, bLo, false);
      break;
    case Op.remw:
      alu.divideWord(x, d, aLo, bLo, true);
      break;
    case Op.divuw:
      alu.divideWordUnsigned(x, d, aLo, bLo, false);
      break;
    default:
      alu.divideWordUnsigned(x, d, aLo, bLo, true);
  }
  return Step.next;
}
