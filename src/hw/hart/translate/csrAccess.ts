// CSR accesses of translated code: registers that are only storage, and reads of sstatus, satp and the counters, which
// kernels use most.
//
// Called by instructions.ts; pageCode.ts asks which accesses are translated. Where they are stored, and what of them
// can be written, is csr.ts's to say. Whoever lacks the privilege leaves, and traps in the interpreter.
//
// Source: RISC-V Unprivileged ISA, "Zicsr". Invariant: nothing here changes translation or interrupts.

import { Csr, Op, opOf, rdOf, rs1Of } from '../../isa/index.ts';
import {
  COUNTER_CY,
  COUNTER_IR,
  COUNTER_TM,
  MSTATUS_FS,
  MSTATUS_TVM,
  PRV_M,
  PRV_S,
} from '../architecture.ts';
import {
  BLOCK_ATTEMPTS,
  BLOCK_CLOCK,
  BLOCK_PRIVILEGE,
  BLOCK_TICK,
  BLOCK_TRAPPED,
  type CsrSlot,
  csrOffset,
} from '../block.ts';
import { type PlainCsr, plainCsr, privilegeOf, SSTATUS_HI, SSTATUS_MASK } from '../csr.ts';
import type { Place, RegionCode } from './regionCode.ts';
import { type Code, W } from './wasm.ts';

const isCsrOp = (op: number): boolean => op >= Op.csrrw && op <= Op.csrrci;
const swaps = (op: number): boolean => op === Op.csrrw || op === Op.csrrwi;
const writes = (word: number): boolean => swaps(opOf(word)) || rs1Of(word) !== 0;

/** A counter: its bit in the counter-enable registers, and what it counts. */
interface Counter {
  readonly bit: number;
  readonly emit: (region: RegionCode, place: Place) => void;
}

const COUNTERS: Readonly<Record<number, Counter>> = {
  [Csr.time]: { bit: COUNTER_TM, emit: readTime },
  [Csr.cycle]: { bit: COUNTER_CY, emit: readCycle },
  [Csr.mcycle]: { bit: COUNTER_CY, emit: readCycle },
  [Csr.instret]: { bit: COUNTER_IR, emit: readInstret },
  [Csr.minstret]: { bit: COUNTER_IR, emit: readInstret },
};

const isRead = (csr: number): boolean => csr === Csr.sstatus || csr === Csr.satp || csr in COUNTERS;

/** Whether an instruction is such an access. */
export const isCsrAccess = (word: number, imm: number): boolean =>
  isCsrOp(opOf(word)) && (plainCsr(imm) !== undefined || (isRead(imm) && !writes(word)));

export function emitCsrAccess(region: RegionCode, word: number, csr: number, place: Place): void {
  const { code, cpu, scratch } = region;
  code.get(cpu);
  code.memory(W.i32_load, BLOCK_PRIVILEGE);
  code.i32Const(privilegeOf(csr));
  code.byte(W.i32_lt_s);
  region.leaveBeforeIf(place);
  const plain = plainCsr(csr);
  if (plain !== undefined) readPlain(region, plain);
  else if (csr === Csr.sstatus) emitStatus(code, cpu);
  else if (csr === Csr.satp) readSatp(region, place);
  else readCounter(region, csr, place);
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

/** Pushes satp, which TVM keeps from S mode. */
function readSatp(region: RegionCode, place: Place): void {
  const { code, cpu } = region;
  code.get(cpu);
  code.memory(W.i32_load, BLOCK_PRIVILEGE);
  code.i32Const(PRV_S);
  code.byte(W.i32_eq);
  bitsOf(region, 'mstatus', MSTATUS_TVM);
  code.i32Const(0);
  code.byte(W.i32_ne);
  code.byte(W.i32_and);
  region.leaveBeforeIf(place);
  code.get(cpu);
  code.memory(W.i64_load, csrOffset('satp'));
}

/** Pushes a counter that runs, and that the mode may read. */
function readCounter(region: RegionCode, csr: number, place: Place): void {
  const { code, cpu } = region;
  const { bit, emit } = COUNTERS[csr]!;
  if (privilegeOf(csr) < PRV_M) {
    // Below M mcounteren must have the bit, in U scounteren, too.
    bitsOf(region, 'scounteren', bit);
    code.i32Const(bit);
    code.get(cpu);
    code.memory(W.i32_load, BLOCK_PRIVILEGE);
    code.byte(W.i32_eqz);
    code.byte(W.select);
    bitsOf(region, 'mcounteren', bit);
    code.byte(W.i32_and);
    code.byte(W.i32_eqz);
    code.get(cpu);
    code.memory(W.i32_load, BLOCK_PRIVILEGE);
    code.i32Const(PRV_M);
    code.byte(W.i32_ne);
    code.byte(W.i32_and);
    region.leaveBeforeIf(place);
  }
  if (bit !== COUNTER_TM) {
    bitsOf(region, 'mcountinhibit', bit);
    region.leaveBeforeIf(place);
  }
  emit(region, place);
}

function readTime(region: RegionCode, place: Place): void {
  const { code, cpu } = region;
  code.get(cpu);
  code.memory(W.i64_load, BLOCK_TICK);
  code.byte(W.i64_eqz);
  region.leaveBeforeIf(place);
  sinceThen(region, BLOCK_CLOCK, place);
  code.get(cpu);
  code.memory(W.i64_load, BLOCK_TICK);
  code.byte(W.i64_div_u);
}

function readCycle(region: RegionCode, place: Place): void {
  const { code, cpu } = region;
  sinceThen(region, BLOCK_ATTEMPTS, place);
  code.get(cpu);
  code.memory(W.i64_load, csrOffset('mcycle'));
  code.byte(W.i64_add);
}

function readInstret(region: RegionCode, place: Place): void {
  const { code, cpu } = region;
  sinceThen(region, BLOCK_ATTEMPTS, place);
  code.get(cpu);
  code.memory(W.i64_load, BLOCK_TRAPPED);
  code.byte(W.i64_sub);
  code.get(cpu);
  code.memory(W.i64_load, csrOffset('minstret'));
  code.byte(W.i64_add);
}

/** Pushes what stands in the block for a budget of 0, less the budget before an instruction. */
function sinceThen(region: RegionCode, offset: number, { unexecuted }: Place): void {
  const { code, cpu } = region;
  code.get(cpu);
  code.memory(W.i64_load, offset);
  region.getBudget();
  code.i32Const(unexecuted);
  code.byte(W.i32_add);
  code.byte(W.i64_extend_i32_u);
  code.byte(W.i64_sub);
}

/** Pushes some bits of a CSR's low word. */
function bitsOf({ code, cpu }: RegionCode, name: CsrSlot, bits: number): void {
  code.get(cpu);
  code.memory(W.i32_load, csrOffset(name));
  code.i32Const(bits);
  code.byte(W.i32_and);
}

/** Pushes sstatus, of the vCPU block whose address is in the local `cpu`. */
export function emitStatus(code: Code, cpu: number): void {
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
