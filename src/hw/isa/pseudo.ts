// Pseudo: the pseudo-instruction that stands for a decoded instruction, where there is one.
//
// Called by disassemble.ts. Which one wins where two fit is as in GNU objdump.
//
// Source: RISC-V Assembly Programmer's Manual, "A listing of standard RISC-V pseudoinstructions".

import { Csr, csrName } from './csr.ts';
import { Op } from './encoding.ts';
import { registerName } from './registers.ts';

/** The operands of a decoded instruction, as text and as numbers. */
export interface Operands {
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly imm: number;
  /** Where a branch or jump goes, in hex. */
  readonly target: string;
}

const RA = 1;
const ALL = 0xff;
const PAUSE = 0x010;

/** The text of the pseudo-instruction for `op` with these operands, or undefined. */
export function pseudo(op: number, o: Operands): string | undefined {
  const rd = registerName(o.rd);
  const rs1 = registerName(o.rs1);
  const rs2 = registerName(o.rs2);
  switch (op) {
    case Op.addi:
      return addi(o);
    case Op.xori:
      return o.imm === -1 ? `not\t${rd},${rs1}` : undefined;
    case Op.andi:
      return o.imm === 255 ? `zext.b\t${rd},${rs1}` : undefined;
    case Op.sltiu:
      return o.imm === 1 ? `seqz\t${rd},${rs1}` : undefined;
    case Op.addiw:
      return o.imm === 0 ? `sext.w\t${rd},${rs1}` : undefined;
    case Op.sub:
      return o.rs1 === 0 ? `neg\t${rd},${rs2}` : undefined;
    case Op.subw:
      return o.rs1 === 0 ? `negw\t${rd},${rs2}` : undefined;
    case Op.sltu:
      return o.rs1 === 0 ? `snez\t${rd},${rs2}` : undefined;
    case Op.slt:
      if (o.rs2 === 0) return `sltz\t${rd},${rs1}`;
      return o.rs1 === 0 ? `sgtz\t${rd},${rs2}` : undefined;
    case Op.beq:
      return o.rs2 === 0 ? `beqz\t${rs1},${o.target}` : undefined;
    case Op.bne:
      return o.rs2 === 0 ? `bnez\t${rs1},${o.target}` : undefined;
    case Op.blt:
      if (o.rs2 === 0) return `bltz\t${rs1},${o.target}`;
      return o.rs1 === 0 ? `bgtz\t${rs2},${o.target}` : undefined;
    case Op.bge:
      if (o.rs1 === 0) return `blez\t${rs2},${o.target}`;
      return o.rs2 === 0 ? `bgez\t${rs1},${o.target}` : undefined;
    case Op.jal:
      if (o.rd === 0) return `j\t${o.target}`;
      return o.rd === RA ? `jal\t${o.target}` : undefined;
    case Op.jalr:
      return jalr(o);
    case Op.fence:
      if (o.imm === PAUSE) return 'pause';
      return o.imm === ALL ? 'fence' : undefined;
    case Op.sfence_vma:
      return o.rs2 === 0 ? sfence(o) : undefined;
    default:
      return csr(op, o);
  }
}

function addi(o: Operands): string | undefined {
  if (o.rd === 0 && o.rs1 === 0 && o.imm === 0) return 'nop';
  if (o.rs1 === 0) return `li\t${registerName(o.rd)},${o.imm}`;
  return o.imm === 0 ? `mv\t${registerName(o.rd)},${registerName(o.rs1)}` : undefined;
}

function jalr(o: Operands): string | undefined {
  if (o.rd === 0 && o.rs1 === RA && o.imm === 0) return 'ret';
  const base = registerName(o.rs1);
  const place = o.imm === 0 ? base : `${o.imm}(${base})`;
  if (o.rd === 0) return `jr\t${place}`;
  if (o.rd === RA) return `jalr\t${place}`;
  return o.imm === 0 ? `jalr\t${registerName(o.rd)},${base}` : undefined;
}

const sfence = (o: Operands): string => (o.rs1 === 0 ? 'sfence.vma' : `sfence.vma\t${registerName(o.rs1)}`);

const COUNTERS: ReadonlyMap<number, string> = new Map([
  [Csr.cycle, 'rdcycle'],
  [Csr.time, 'rdtime'],
  [Csr.instret, 'rdinstret'],
]);

function csr(op: number, o: Operands): string | undefined {
  const name = csrName(o.imm);
  const rs1 = registerName(o.rs1);
  if (op === Op.csrrs && o.rs1 === 0) {
    const counter = COUNTERS.get(o.imm);
    return counter === undefined
      ? `csrr\t${registerName(o.rd)},${name}`
      : `${counter}\t${registerName(o.rd)}`;
  }
  if (o.rd !== 0) return undefined;
  switch (op) {
    case Op.csrrw:
      return o.imm === Csr.cycle && o.rs1 === 0 ? 'unimp' : `csrw\t${name},${rs1}`;
    case Op.csrrs:
      return `csrs\t${name},${rs1}`;
    case Op.csrrc:
      return `csrc\t${name},${rs1}`;
    case Op.csrrwi:
      return `csrwi\t${name},${o.rs1}`;
    case Op.csrrsi:
      return `csrsi\t${name},${o.rs1}`;
    case Op.csrrci:
      return `csrci\t${name},${o.rs1}`;
    default:
      return undefined;
  }
}
