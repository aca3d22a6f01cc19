// CSR accesses of translated code: registers that are only storage, and reads of sstatus, which trap handlers use most.
//
// Called by instructions.ts; pageCode.ts asks which accesses are translated. Where they are stored, and what of them
// can be written, is csr.ts's to say. Whoever lacks the privilege leaves, and traps in the interpreter.
//
// Source: RISC-V Unprivileged ISA, "Zicsr". Invariant: nothing here changes translation or interrupts.

import { Csr, Op, opOf, rdOf, rs1Of } from '../../isa/index.ts';
import { MSTATUS_FS } from '../architecture.ts';
import { BLOCK_PRIVILEGE, csrOffset } from '../block.ts';
import { type PlainCsr, plainCsr, privilegeOf, SSTATUS_HI, SSTATUS_MASK } from '../csr.ts';
import type { Place, RegionCode } from './regionCode.ts';
import { W } from './wasm.ts';

const isCsrOp = (op: number): boolean => op >= Op.csrrw && op <= Op.csrrci;
const swaps = (op: number): boolean => op === Op.csrrw || op === Op.csrrwi;
const writes = (word: number): boolean => swaps(opOf(word)) || rs1Of(word) !== 0;

/** Whether an instruction is such an access. */
export const isCsrAccess = (word: number, imm: number): boolean =>
  isCsrOp(opOf(word)) && (plainCsr(imm) !== undefined || (imm === Csr.sstatus && !writes(word)));

export function emitCsrAccess(region: RegionCode, word: number, csr: number, place: Place): void {
  const { code, cpu, scratch } = region;
  code.get(cpu);
  code.memory(W.i32_load, BLOCK_PRIVILEGE);
  code.i32Const(privilegeOf(csr));
  code.byte(W.i32_lt_s);
  region.leaveBeforeIf(place);
  const plain = plainCsr(csr);
  if (plain === undefined) readStatus(region);
  else readPlain(region, plain);
  code.set(scratch);
  if (plain !== undefined && writes(word)) writePlain(region, plain, word);
  if (rdOf(word) === 0) return;
  code.get(scratch);
  region.set(rdOf(word));
}

function readPlain({ code, cpu }: RegionCode, { name }: PlainCsr): void {
  code.get(cpu);
  code.memory(W.i64_load, csrOffset(name));
}

/** From the old value in `scratch`. */
function writePlain(region: RegionCode, { name, maskLo, maskHi }: PlainCsr, word: number): void {
  const { code, cpu, scratch } = region;
  const op = opOf(word);
  code.get(cpu);
  if (!swaps(op)) code.get(scratch);
  if (op >= Op.csrrwi) code.i64Const(rs1Of(word));
  else region.get(rs1Of(word));
  if (op === Op.csrrs || op === Op.csrrsi) code.byte(W.i64_or);
  if (op === Op.csrrc || op === Op.csrrci) {
    code.i64Const(-1);
    code.byte(W.i64_xor);
    code.byte(W.i64_and);
  }
  // The low half of a mask is given as a signed word.
  code.i64Const(maskHi === -1 ? maskLo : maskLo >>> 0);
  code.byte(W.i64_and);
  code.memory(W.i64_store, csrOffset(name));
}

/** Pushes sstatus. */
function readStatus({ code, cpu }: RegionCode): void {
  code.get(cpu);
  code.memory(W.i64_load32_u, csrOffset('mstatus'));
  code.i64Const(SSTATUS_MASK);
  code.byte(W.i64_and);
  code.i64Const(SSTATUS_HI * 2 ** 32);
  code.byte(W.i64_or);
  // SD, the highest bit, says that FS is dirty.
  code.i64Const(1);
  code.i64Const(0);
  code.get(cpu);
  code.memory(W.i32_load, csrOffset('mstatus'));
  code.i32Const(MSTATUS_FS);
  code.byte(W.i32_and);
  code.i32Const(MSTATUS_FS);
  code.byte(W.i32_eq);
  code.byte(W.select);
  code.i64Const(63);
  code.byte(W.i64_shl);
  code.byte(W.i64_or);
}
