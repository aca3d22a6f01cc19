// One hart of a test VM, driven an instruction at a time: real instructions, executed through KVM_RUN with a budget of
// one. Code runs in M mode from page 0 of RAM, untranslated; data accesses go through the guest's tables with
// mstatus.MPRV, as S or U mode, or untranslated too.
//
// Each operation is a body for a task (Steps), so that tests can run several harts at once.

import { type CsrSlot, csrOffset } from '../../src/hw/hart/index.ts';
import { encode, Op } from '../../src/hw/isa/index.ts';
import { type Vcpu, vcpuRun } from '../../src/kvm/index.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { fromWords, hiWord, loWord } from '../../src/units.ts';

const A0 = 10;
const A1 = 11;
const A2 = 12;
const A3 = 13;
const CODE = 0x8000_0000;
const CSR_MSTATUS = 0x300;
const CSR_MTVEC = 0x305;
const CSR_MEPC = 0x341;
const CSR_MENVCFG = 0x30a;
const CSR_SATP = 0x180;

/** a0 is what is loaded, a1 the address, a2 the value, a3 the ASID. */
const INSTRUCTIONS = {
  lb: encode(Op.lb, A0, A1, 0, 0),
  lbu: encode(Op.lbu, A0, A1, 0, 0),
  lh: encode(Op.lh, A0, A1, 0, 0),
  lhu: encode(Op.lhu, A0, A1, 0, 0),
  lw: encode(Op.lw, A0, A1, 0, 0),
  lwu: encode(Op.lwu, A0, A1, 0, 0),
  ld: encode(Op.ld, A0, A1, 0, 0),
  sb: encode(Op.sb, 0, A1, A2, 0),
  sh: encode(Op.sh, 0, A1, A2, 0),
  sw: encode(Op.sw, 0, A1, A2, 0),
  sd: encode(Op.sd, 0, A1, A2, 0),
  lr_d: encode(Op.lr_d, A0, A1, 0, 0),
  sc_d: encode(Op.sc_d, A0, A1, A2, 0),
  amoadd_d: encode(Op.amoadd_d, A0, A1, A2, 0),
  fenceAll: encode(Op.sfence_vma, 0, 0, 0, 0),
  fenceAddress: encode(Op.sfence_vma, 0, A1, 0, 0),
  fenceAsid: encode(Op.sfence_vma, 0, 0, A3, 0),
  fenceAddressAsid: encode(Op.sfence_vma, 0, A1, A3, 0),
  satp: encode(Op.csrrw, 0, A2, 0, CSR_SATP),
  mstatus: encode(Op.csrrw, 0, A2, 0, CSR_MSTATUS),
  mtvec: encode(Op.csrrw, 0, A2, 0, CSR_MTVEC),
  mepc: encode(Op.csrrw, 0, A2, 0, CSR_MEPC),
  menvcfg: encode(Op.csrrw, 0, A2, 0, CSR_MENVCFG),
  mret: encode(Op.mret, 0, 0, 0, 0),
  wfi: encode(Op.wfi, 0, 0, 0, 0),
} as const;
export type Instruction = keyof typeof INSTRUCTIONS;
const NAMES = Object.keys(INSTRUCTIONS) as Instruction[];

/** The words of page 0 of RAM. */
export const GUEST_CODE = Int32Array.from(NAMES, (name) => INSTRUCTIONS[name]);
const TRAP_VECTOR = CODE + 0x800;

const MPRV = 1 << 17;
const SUM = 1 << 18;
const MXR = 1 << 19;
const MPP = { M: 3 << 11, S: 1 << 11, U: 0 } as const;

/** How data accesses are made. */
export interface Mode {
  /** M: untranslated. */
  readonly privilege: 'M' | 'S' | 'U';
  readonly sum?: boolean;
  readonly mxr?: boolean;
}

export const PHYSICAL: Mode = { privilege: 'M' };
export const SUPERVISOR: Mode = { privilege: 'S', sum: true };
export const USER: Mode = { privilege: 'U' };

/** How an instruction ended. */
export type Outcome =
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'trap'; readonly cause: number; readonly tval: number }
  | { readonly kind: 'mmio'; readonly gpa: number; readonly isWrite: boolean; readonly data: number }
  | { readonly kind: 'exit'; readonly reason: string }
  | { readonly kind: 'errno'; readonly errno: number };

export const trap = (cause: number, tval: number): Outcome => ({ kind: 'trap', cause, tval });
export const value = (number: number): Outcome => ({ kind: 'value', value: number });

export class GuestHart {
  readonly vcpu: Vcpu;
  #mstatus = -1;

  constructor(vcpu: Vcpu) {
    this.vcpu = vcpu;
  }

  /** Power-on: trap vector set, translation off. */
  *reset(): Steps {
    this.vcpu.hart.reset(CODE);
    this.#mstatus = -1;
    this.#set(A2, TRAP_VECTOR);
    yield* this.execute('mtvec');
  }

  /** satp: Sv39 with the root table at `root`; null is bare. */
  *satp(root: number | null, asid = 0): Steps {
    const { hart } = this.vcpu;
    if (root === null) hart.setX(A2, 0, 0);
    else hart.setX(A2, Math.floor(root / 4096) | 0, (8 << 28) | (asid << 12));
    yield* this.execute('satp');
  }

  *load(address: number, mode: Mode = SUPERVISOR, instruction: Instruction = 'ld'): Steps<Outcome> {
    yield* this.#enter(mode);
    this.#set(A1, address);
    return yield* this.execute(instruction);
  }

  *store(
    address: number,
    data: number,
    mode: Mode = SUPERVISOR,
    instruction: Instruction = 'sd',
  ): Steps<Outcome> {
    yield* this.#enter(mode);
    this.#set(A1, address);
    this.#set(A2, data);
    return yield* this.execute(instruction);
  }

  *store64(
    address: number,
    data: bigint,
    mode: Mode = PHYSICAL,
    instruction: Instruction = 'sd',
  ): Steps<Outcome> {
    yield* this.#enter(mode);
    this.#set(A1, address);
    this.vcpu.hart.setX(A2, Number(BigInt.asIntN(32, data)), Number(BigInt.asIntN(32, data >> 32n)));
    return yield* this.execute(instruction);
  }

  /** sfence.vma with the operands that are given. */
  *fence(address: number | null = null, asid: number | null = null): Steps {
    this.#set(A1, address ?? 0);
    this.#set(A3, asid ?? 0);
    if (address === null) yield* this.execute(asid === null ? 'fenceAll' : 'fenceAsid');
    else yield* this.execute(asid === null ? 'fenceAddress' : 'fenceAddressAsid');
  }

  /** Jumps to `address` in S or U mode and executes one instruction there. */
  *executeAt(address: number, privilege: 'S' | 'U' = 'S'): Steps<Outcome> {
    this.#set(A2, address);
    yield* this.execute('mepc');
    this.#set(A2, MPP[privilege]);
    yield* this.execute('mstatus');
    this.#mstatus = -1;
    yield* this.execute('mret');
    const outcome = yield* this.#runOne();
    if (outcome.kind !== 'trap') throw new Error('code that tests jump to must trap at once');
    return outcome;
  }

  /** Executes one instruction of page 0 with the registers as they are. */
  *execute(instruction: Instruction): Steps<Outcome> {
    const pc = CODE + NAMES.indexOf(instruction) * 4;
    this.vcpu.hart.setPc(pc | 0, 0);
    return yield* this.#runOne();
  }

  /** The VMM has answered an MMIO exit: the instruction is completed. */
  *complete(): Steps<Outcome> {
    return yield* this.#runOne();
  }

  *#runOne(): Steps<Outcome> {
    const { vcpu } = this;
    const { hart, run } = vcpu;
    const error = yield* vcpuRun(vcpu, 1);
    // A vCPU thread gives the CPU away between two runs.
    yield RESCHED;
    if (error !== 0) return { kind: 'errno', errno: -error };
    if (run.exitReason === 'mmio') {
      const { gpa, isWrite, lo, hi } = run.mmio;
      return { kind: 'mmio', gpa, isWrite, data: fromWords(lo, hi) };
    }
    if (run.exitReason !== 'intr' && run.exitReason !== 'tracked_write')
      return { kind: 'exit', reason: run.exitReason };
    if (hart.pc !== TRAP_VECTOR) return { kind: 'value', value: this.#get(A0) };
    this.#mstatus = -1;
    return { kind: 'trap', cause: this.csr('mcause'), tval: this.csr('mtval') };
  }

  csr(name: CsrSlot): number {
    const at = csrOffset(name) >>> 2;
    return fromWords(this.vcpu.hart.block[at]!, this.vcpu.hart.block[at + 1]!);
  }

  *#enter({ privilege, sum = false, mxr = false }: Mode): Steps {
    const bits = privilege === 'M' ? 0 : MPRV | MPP[privilege] | (sum ? SUM : 0) | (mxr ? MXR : 0);
    if (this.#mstatus === bits) return;
    this.#set(A2, bits);
    yield* this.execute('mstatus');
    this.#mstatus = bits;
  }

  #set(register: number, number: number): void {
    this.vcpu.hart.setX(register, loWord(number), hiWord(number));
  }

  #get(register: number): number {
    const { block } = this.vcpu.hart;
    return fromWords(block[register * 2]!, block[register * 2 + 1]!);
  }
}
