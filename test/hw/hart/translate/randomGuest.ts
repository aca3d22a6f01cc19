// Random guest programs for the translator's property test: mostly sensible instructions in a loop over two pages, with
// branches, calls, loads and stores of every kind, atomics, traps to M or S mode, CSRs, fences, address spaces, timer
// interrupts, and stores into the code itself.

import fc from 'fast-check';
import { Csr, decode, encode, Op, opOf } from '../../../../src/hw/isa/index.ts';
import { hiWord, loWord } from '../../../../src/units.ts';
import { RAM, type TestMachine } from '../testMachine.ts';

const PAGES = 16;
const DATA = RAM + 4 * 4096;
const HANDLER = RAM + 12 * 4096;
const SUPERVISOR_HANDLER = HANDLER + 2048;
const TABLES = RAM + 13 * 4096;
const SATP = (8n << 60n) | BigInt(TABLES / 4096);

/** Registers that hold addresses and are seldom overwritten; the others are the program's to compute with. */
const DATA_BASE = 8;
const CODE_BASE = 9;
const LINK = 1;
const TEMPORARIES = [0, 5, 6, 7, 10, 11, 12, 13, 14, 15, 28, 29];
/** Hold instruction words, for stores into the code. */
const WORDS = [16, 17];
/** Hold values for satp: two address spaces with the same tables. */
const SPACES = [18, 19];

export interface RandomGuest {
  readonly code: readonly (readonly number[])[];
  /** Bytes of the first code page that the program starts before its end. */
  readonly lead: number;
  /** Privilege that it runs at. */
  readonly mode: 'M' | 'S' | 'U';
  /** What it does wrong below M mode, and the timer, is S mode's to handle. */
  readonly delegates: boolean;
  /** Ticks from a timer interrupt to the next; 0: there are none. */
  readonly period: number;
  /** Permissions (R 2, W 4, X 8) of the data pages, paged modes only. */
  readonly permissions: readonly number[];
  readonly registers: readonly bigint[];
}

const temporary = fc.constantFrom(...TEMPORARIES);
const anyRegister = fc.integer({ min: 0, max: 31 });
const destination = fc.oneof({ weight: 20, arbitrary: temporary }, { weight: 1, arbitrary: anyRegister });
const source = fc.oneof({ weight: 6, arbitrary: temporary }, { weight: 1, arbitrary: anyRegister });
const imm12 = fc.integer({ min: -2048, max: 2047 });
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

const word = (value: number): number[] => [value & 0xffff, value >>> 16];
const instruction = (
  ops: readonly number[],
  rd: fc.Arbitrary<number>,
  rs1: fc.Arbitrary<number>,
  rs2: fc.Arbitrary<number>,
  imm: fc.Arbitrary<number>,
): fc.Arbitrary<number[]> =>
  fc
    .tuple(fc.constantFrom(...ops), rd, rs1, rs2, imm)
    .map(([op, d, s, t, i]) => word(encode(op, d, s, t, i)));
const nothing = fc.constant(0);

const computation = fc.oneof(
  instruction(range(Op.addi, Op.andi), destination, source, nothing, imm12),
  instruction(range(Op.slli, Op.sraiw), destination, source, nothing, imm12),
  instruction(range(Op.add, Op.remuw), destination, source, source, nothing),
  instruction(
    [Op.lui, Op.auipc],
    destination,
    nothing,
    nothing,
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  ),
);

const dataOffset = fc.oneof(
  fc.integer({ min: -32, max: 31 }).map((n) => n * 8),
  imm12,
  fc.integer({ min: -8, max: 8 }),
);
const dataBase = fc.oneof(
  { weight: 12, arbitrary: fc.constant(DATA_BASE) },
  { weight: 1, arbitrary: source },
);
const access = fc.oneof(
  instruction(range(Op.lb, Op.lwu), destination, dataBase, nothing, dataOffset),
  instruction(range(Op.sb, Op.sd), nothing, dataBase, source, dataOffset),
  instruction(range(Op.lr_w, Op.amomaxu_d), destination, dataBase, source, fc.integer({ min: 0, max: 3 })),
  instruction([Op.lr_w, Op.lr_d, Op.sc_w, Op.sc_d], destination, dataBase, source, nothing),
  instruction(
    [Op.addi],
    fc.constant(DATA_BASE),
    fc.constant(DATA_BASE),
    nothing,
    fc.constantFrom(8, -8, 512, -512, 1, -1),
  ),
);

const near = fc.integer({ min: -30, max: 40 }).map((n) => n * 2);
const transfer = fc.oneof(
  { weight: 8, arbitrary: instruction(range(Op.beq, Op.bgeu), nothing, source, source, near) },
  { weight: 1, arbitrary: instruction([Op.jal], fc.constantFrom(0, LINK), nothing, nothing, near) },
  {
    weight: 1,
    arbitrary: instruction([Op.jalr], fc.constantFrom(0, LINK), fc.constant(CODE_BASE), nothing, near),
  },
  { weight: 1, arbitrary: instruction([Op.jalr], fc.constant(0), fc.constant(LINK), nothing, nothing) },
);

const one = (op: number, rd: number, rs1: number, rs2: number, imm: number): number[] =>
  word(encode(op, rd, rs1, rs2, imm));

/** A jump through a register to one of a few places: a switch. */
const computedJump = fc
  .tuple(fc.constantFrom(...TEMPORARIES.slice(2)), source, fc.constantFrom(2, 6, 14, 30), near)
  .map(([t, index, mask, imm]) => [
    ...one(Op.andi, t, index, 0, mask),
    ...one(Op.add, t, t, CODE_BASE, 0),
    ...one(Op.jalr, 0, t, 0, imm),
  ]);

/** Neighbouring accesses off one register, which begins at the border of two pages. */
const record = fc
  .array(fc.tuple(fc.constantFrom(...range(Op.lb, Op.lwu), ...range(Op.sb, Op.sd)), temporary, fc.nat(9)), {
    minLength: 2,
    maxLength: 6,
  })
  .map((fields) =>
    fields.flatMap(([op, register, at]) =>
      op < Op.sb
        ? one(op, register, DATA_BASE, 0, at * 4 - 16)
        : one(op, 0, DATA_BASE, register, at * 4 - 16),
    ),
  );

/** A look-up by a small index: a load from data or code, or a store. */
const tableWith = (registers: readonly number[]): fc.Arbitrary<number[]> =>
  fc
    .tuple(
      fc.constantFrom(...registers),
      fc.constantFrom(...registers),
      fc.constantFrom(...registers),
      fc.nat(3),
      fc.constantFrom(0, 0, 1, 2),
    )
    .map(([t, index, register, shift, kind]) => [
      ...one(Op.andi, t, index, 0, 255),
      ...one(Op.slli, t, t, 0, shift),
      ...one(Op.add, t, kind === 2 ? CODE_BASE : DATA_BASE, t, 0),
      ...(kind === 1 ? one(Op.sb + shift, 0, t, register, 0) : one(Op.lb + shift, register, t, 0, 0)),
    ]);
const table = tableWith(TEMPORARIES.slice(2));

/** A loop of such look-ups, which does what it does some times. */
const COUNTER = 29;
const tableLoop = fc
  .tuple(fc.integer({ min: 2, max: 30 }), fc.array(tableWith([5, 6, 7, 10]), { minLength: 2, maxLength: 4 }))
  .map(([rounds, body]) => [
    ...one(Op.addi, COUNTER, 0, 0, rounds),
    ...body.flat(),
    ...one(Op.addi, 5, 6, 0, 7),
    ...one(Op.addi, COUNTER, COUNTER, 0, -1),
    ...one(Op.bne, 0, COUNTER, 0, -(body.flat().length * 2 + 8)),
  ]);

/** Halfwords that a state takes beside what it does. */
const STATE_ENDS = 6;

/** A loop of states, each of which goes on to one of two others: it can be entered at all of them. */
const stateMachine = fc
  .tuple(
    fc.integer({ min: 2, max: 60 }),
    fc.nat(4),
    fc.array(
      fc.tuple(tableWith([5, 6, 7, 10]), source, fc.constantFrom(Op.beq, Op.bltu, Op.bge), fc.nat(4)),
      {
        minLength: 2,
        maxLength: 5,
      },
    ),
  )
  .map(([rounds, first, states]) => {
    const starts = [0];
    for (const [body] of states) starts.push(starts.at(-1)! + body.length + STATE_ENDS);
    const end = starts.at(-1)! + 2;
    const to = (state: number, from: number): number => (starts[state % states.length]! - from) * 2;
    return [
      ...one(Op.addi, COUNTER, 0, 0, rounds),
      ...one(Op.jal, 0, 0, 0, to(first, -2)),
      ...states.flatMap(([body, register, op, next], i) => {
        const at = starts[i]! + body.length;
        return [
          ...body,
          ...one(Op.addi, COUNTER, COUNTER, 0, -1),
          ...one(Op.beq, 0, COUNTER, 0, (end - at - 2) * 2),
          ...one(op, 0, register, COUNTER, to(next, at + 4)),
        ];
      }),
      ...one(Op.jal, 0, 0, 0, to(first + 1, end - 2)),
    ];
  });

const intoCode = instruction(
  range(Op.sb, Op.sd),
  nothing,
  fc.constant(CODE_BASE),
  fc.constantFrom(...WORDS, 5),
  near,
);

const CSRS = [0x340, 0xb00, 0xb02, 0xc00, 0xc02, 0x300, 0x304, 0x7c0, 0x100, 0x140, 0x141, 0x143];
const COUNTERS = [Csr.time, Csr.cycle, Csr.instret, Csr.satp, Csr.sstatus];
/** SIE, SPIE, SPP, SUM and MXR, one by one or all of them. */
const STATUS_BITS = [1 << 1, 1 << 5, 1 << 8, 1 << 18, 1 << 19, 0xc0122];
const status = fc
  .tuple(
    fc.constantFrom(Op.csrrs, Op.csrrc),
    fc.constantFrom(...TEMPORARIES),
    fc.constantFrom(...STATUS_BITS),
  )
  .map(([op, d, bits]) => [
    ...one(Op.lui, 7, 0, 0, bits & ~4095),
    ...one(Op.addi, 7, 7, 0, bits & 2047),
    ...one(op, d, 7, 0, Csr.sstatus),
  ]);
const privileged = fc.oneof(
  status,
  instruction([Op.csrrs], destination, nothing, nothing, fc.constantFrom(...COUNTERS)),
  instruction([Op.csrrw], nothing, fc.constantFrom(...SPACES), nothing, fc.constant(Csr.satp)),
  instruction(
    [Op.sfence_vma],
    nothing,
    fc.constantFrom(0, DATA_BASE, 5),
    fc.constantFrom(0, 0, 5, 20),
    nothing,
  ),
  instruction([Op.ecall], nothing, nothing, nothing, nothing),
  instruction(
    [Op.csrrsi, Op.csrrci, Op.csrrwi],
    destination,
    fc.constantFrom(2, 0),
    nothing,
    fc.constant(Csr.sstatus),
  ),
);
const rarePrivileged = instruction([Op.sret, Op.mret], nothing, nothing, nothing, nothing);
const system = fc.oneof(
  instruction([Op.fence, Op.fence_i, Op.ecall, Op.ebreak, Op.sfence_vma], nothing, nothing, nothing, nothing),
  instruction(range(Op.csrrw, Op.csrrci), destination, source, nothing, fc.constantFrom(...CSRS)),
  instruction([Op.csrrs], destination, nothing, nothing, fc.constantFrom(...CSRS)),
);

const isLegal = (bits: number): boolean => {
  const decoded = new Int32Array(2);
  decode(bits, decoded, 0);
  return opOf(decoded[0]!) !== Op.illegal;
};
const compressed = fc
  .integer({ min: 0, max: 0xffff })
  .filter((half) => (half & 3) !== 3 && isLegal(half))
  .map((half) => [half]);

const anyInstruction = fc.oneof(
  { weight: 60, arbitrary: computation },
  { weight: 45, arbitrary: access },
  { weight: 25, arbitrary: transfer },
  { weight: 5, arbitrary: computedJump },
  { weight: 8, arbitrary: record },
  { weight: 4, arbitrary: table },
  { weight: 4, arbitrary: tableLoop },
  { weight: 20, arbitrary: compressed },
  { weight: 2, arbitrary: intoCode },
  { weight: 2, arbitrary: system },
  { weight: 6, arbitrary: privileged },
  { weight: 1, arbitrary: rarePrivileged },
  { weight: 1, arbitrary: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(word) },
);

/** What kernels do most; little of it traps for another reason. */
const kernelInstruction = fc.oneof(
  { weight: 8, arbitrary: privileged },
  { weight: 1, arbitrary: rarePrivileged },
  { weight: 4, arbitrary: computation },
  { weight: 2, arbitrary: instruction([Op.ld, Op.sd], destination, fc.constant(DATA_BASE), source, nothing) },
  { weight: 1, arbitrary: instruction([Op.bne], nothing, source, source, fc.constantFrom(4, 8, 12)) },
);

/** Loops with many entries, and a little between them. */
const machineInstruction = fc.oneof(
  { weight: 3, arbitrary: stateMachine },
  { weight: 2, arbitrary: computation },
  { weight: 2, arbitrary: access },
  { weight: 1, arbitrary: intoCode },
);

const value = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.integer({ min: -4, max: 4 }).map(BigInt),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, -(2n ** 31n), 2n ** 31n, 0xffffffffn),
);

const guestOf = (code: fc.Arbitrary<number[]>, longest: number): fc.Arbitrary<RandomGuest> =>
  fc.record({
    code: fc.array(code, { minLength: 4, maxLength: longest, size: 'max' }),
    lead: fc.integer({ min: 0, max: 120 }).map((n) => n * 2),
    mode: fc.constantFrom('M', 'S', 'U'),
    delegates: fc.boolean(),
    period: fc.constantFrom(0, 0, 40, 150, 1000),
    permissions: fc.array(fc.constantFrom(2, 6, 6, 6, 6, 6, 14, 0), { minLength: 8, maxLength: 8 }),
    registers: fc.array(value, { minLength: 32, maxLength: 32 }),
  });

export const randomGuest = fc.oneof(
  { weight: 3, arbitrary: guestOf(anyInstruction, 120) },
  { weight: 3, arbitrary: guestOf(kernelInstruction, 30) },
  { weight: 2, arbitrary: guestOf(machineInstruction, 12) },
);

const NOP = 0x0001;

/**
 * Puts a program, what leads back to it on both sides, a trap handler and page tables into memory, and the hart at its
 * start.
 */
export function loadGuest(machine: TestMachine, guest: RandomGuest): void {
  const start = RAM + 4096 - guest.lead;
  const nops = new Array<number>((start - RAM) / 2).fill(NOP);
  const halves = [...nops, ...guest.code.flat()];
  for (let at = RAM + halves.length * 2; at + 6 <= DATA; at += 6) {
    halves.push(NOP, ...word(encode(Op.jal, 0, 0, 0, start - at - 2)));
  }
  machine.loadBytes(new Uint8Array(Uint16Array.from(halves).buffer), RAM);
  machine.hart.clock = { timeAt: (ns) => Math.floor(ns / TICK), origin: () => 0, tick: () => TICK };
  machine.load(handlerCode(MACHINE_CSRS, guest.period), HANDLER);
  machine.load(handlerCode(SUPERVISOR_CSRS, guest.period), SUPERVISOR_HANDLER);
  loadTables(machine, guest);
  guest.registers.forEach((initial, r) => {
    machine.setX(r, initial);
  });
  machine.setX(DATA_BASE, BigInt(DATA + 4096));
  machine.setX(CODE_BASE, BigInt(start));
  machine.setX(WORDS[0]!, BigInt(encode(Op.addi, 10, 10, 0, 3)));
  machine.setX(WORDS[1]!, BigInt(encode(Op.bne, 0, 10, 11, -8)));
  SPACES.forEach((register, i) => {
    machine.setX(register, SATP | (BigInt(i) << 44n));
  });
  enterMode(machine, guest, start);
}

/** ns of a tick of the clock. */
const TICK = 3;
const SCRATCH = 31;
interface TrapCsrs {
  readonly scratch: number;
  readonly cause: number;
  readonly epc: number;
  /** Op of the return. */
  readonly back: number;
}

const MACHINE_CSRS: TrapCsrs = { scratch: Csr.mscratch, cause: Csr.mcause, epc: Csr.mepc, back: Op.mret };
const SUPERVISOR_CSRS: TrapCsrs = { scratch: Csr.sscratch, cause: Csr.scause, epc: Csr.sepc, back: Op.sret };

/**
 * Skips four bytes after an exception, or starts over where nothing could be fetched (causes 1 and 12); after a timer
 * interrupt sets the next.
 */
function handlerCode(csrs: TrapCsrs, period: number): number[] {
  const { scratch, cause, epc, back } = csrs;
  return [
    encode(Op.csrrw, SCRATCH, SCRATCH, 0, scratch),
    encode(Op.csrrs, SCRATCH, 0, 0, cause),
    encode(Op.blt, 0, SCRATCH, 0, 44),
    encode(Op.addi, SCRATCH, SCRATCH, 0, -1),
    encode(Op.beq, 0, SCRATCH, 0, 28),
    encode(Op.addi, SCRATCH, SCRATCH, 0, -11),
    encode(Op.beq, 0, SCRATCH, 0, 20),
    encode(Op.csrrs, SCRATCH, 0, 0, epc),
    encode(Op.addi, SCRATCH, SCRATCH, 0, 4),
    encode(Op.csrrw, 0, SCRATCH, 0, epc),
    encode(Op.jal, 0, 0, 0, 24),
    encode(Op.csrrw, 0, CODE_BASE, 0, epc),
    encode(Op.jal, 0, 0, 0, 16),
    encode(Op.csrrs, SCRATCH, 0, 0, Csr.time),
    encode(Op.addi, SCRATCH, SCRATCH, 0, period),
    encode(Op.csrrw, 0, SCRATCH, 0, Csr.stimecmp),
    encode(Op.csrrw, SCRATCH, SCRATCH, 0, scratch),
    encode(back, 0, 0, 0, 0),
  ];
}

/** Three levels that map the RAM's pages to themselves, the data pages in another order: no two distances are equal. */
function loadTables(machine: TestMachine, guest: RandomGuest): void {
  const isUser = guest.mode === 'U';
  const put = (table: number, index: number, target: number, flags: number): void => {
    const pte = (BigInt(target) / 4096n) * 1024n + BigInt(flags);
    machine.load([loWord(Number(pte)), hiWord(Number(pte))], table + index * 8);
  };
  put(TABLES, 2, TABLES + 4096, 1);
  put(TABLES + 4096, 0, TABLES + 8192, 1);
  for (let page = 0; page < PAGES; page++) {
    const isHandler = page === (HANDLER - RAM) / 4096;
    const permission = page < 4 || isHandler ? 14 : (guest.permissions[page - 4] ?? 6);
    const user = isUser && !isHandler ? 16 : 0;
    const isData = page >= 4 && page < 12;
    const target = isData ? 4 + (((page - 4) * 5 + 3) % 8) : page;
    put(TABLES + 8192, page, RAM + target * 4096, permission === 0 ? 0 : 1 | permission | user);
  }
}

/** The CSRs of the start and mret into the mode, by a few instructions in the handler's page. */
function enterMode(machine: TestMachine, guest: RandomGuest, start: number): void {
  const { hart } = machine;
  const mpp = { M: 3, S: 1, U: 0 }[guest.mode];
  const boot = HANDLER + 1024;
  const timer = 1n << 5n;
  const csrs: readonly (readonly [csr: number, value: bigint])[] = [
    [Csr.mtvec, BigInt(HANDLER)],
    [Csr.stvec, BigInt(SUPERVISOR_HANDLER)],
    [Csr.medeleg, guest.delegates ? -1n : 0n],
    [Csr.mideleg, guest.delegates ? -1n : 0n],
    [Csr.mcounteren, -1n],
    [Csr.scounteren, -1n],
    [Csr.menvcfg, guest.period > 0 ? 1n << 63n : 0n],
    [Csr.stimecmp, BigInt(guest.period)],
    [Csr.mie, guest.period > 0 ? timer : 0n],
    [Csr.satp, SATP],
    [Csr.mepc, BigInt(start)],
    [Csr.mstatus, BigInt(mpp) << 11n],
    [Csr.pmpaddr0, -1n],
    [Csr.pmpcfg0, 0x1fn],
  ];
  const code = csrs.map(([csr]) => encode(Op.csrrw, 0, 20, 0, csr));
  const saved = machine.x(20);
  machine.load([...code, encode(Op.mret, 0, 0, 0, 0)], boot);
  hart.setPc(loWord(boot), hiWord(boot));
  for (const [, value] of csrs) {
    machine.setX(20, value);
    machine.run(1);
  }
  machine.run(1);
  machine.setX(20, saved);
}
