// The soak `words`: random instruction words in random states, straight on a hart, without a hypervisor around it.
//
// A case is one machine that is given new code again and again, and runs each word of it at least once: raw words and
// sensible ones, in M, S and U mode, translated or not, with tables that the code may write to. Half of the cases have a
// translator for which all code is hot. Nothing may throw, hang, execute more than it was told to, or leave a register
// that no hart can have.

import { Exit, PRV_M, PRV_S, PRV_U } from '../../src/hw/hart/index.ts';
import { updateContext } from '../../src/hw/hart/regimes.ts';
import { WasmTranslator } from '../../src/hw/hart/translate/translator.ts';
import { Csr, encode, Op } from '../../src/hw/isa/index.ts';
import { Random } from '../../src/sched/index.ts';
import { hex, PAGE_SIZE } from '../../src/units.ts';
import { RAM, SMALL_TLB, TestMachine } from '../hw/hart/testMachine.ts';
import { between, oneIn, pick, randomWord } from './instructionMix.ts';
import type { Soak } from './soak.ts';

const CASE_WORDS = 100_000;
const RAM_PAGES = 16;
/** Code goes to one of these pages, in turn. */
const CODE_PAGES = 8;
const BATCH = PAGE_SIZE / 4;
const TABLES = RAM + 12 * PAGE_SIZE;
const BOOT = RAM + 11 * PAGE_SIZE;
const LIMITS = { instructions: 8192, units: 6, regions: 24, jumpEntries: 64 };

const random64 = (random: Random): bigint => (BigInt(random.next()) << 32n) | BigInt(random.next());

/** What code finds in registers: mostly addresses in RAM and just outside. */
function randomRegister(random: Random): bigint {
  const dice = random.below(8);
  if (dice < 5) return BigInt(RAM - 64 + random.below(RAM_PAGES * PAGE_SIZE + 128));
  if (dice === 5) return BigInt.asUintN(64, BigInt(between(random, -9, 9)));
  return random64(random);
}

class Words {
  readonly #random: Random;
  readonly #machine: TestMachine;
  /** Longer runs let code get hot. */
  readonly #longest: number;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    this.#machine = new TestMachine({
      ramPages: RAM_PAGES,
      mmu: pick(random, ['shadow', 'tdp']),
      ad: pick(random, ['hardware', 'svade', 'svadu']),
      lazy: oneIn(random, 2),
      cachedPages: between(random, 2, 16),
    });
    const { memory, code, hart } = this.#machine;
    const translates = oneIn(random, 2);
    this.#longest = translates ? 600 : 3;
    if (!translates) return;
    new WasmTranslator(memory, code, { hotAt: 1, hubsFor: 1e9, limits: LIMITS, tlb: SMALL_TLB }).attach(hart);
  }

  play(count: number): void {
    for (let at = 0; at < count; at += BATCH) {
      const page = RAM + ((at / BATCH) % CODE_PAGES) * PAGE_SIZE;
      this.#newCode(page);
      this.#newState();
      this.#run(page, Math.min(BATCH, count - at));
    }
  }

  #newCode(page: number): void {
    const random = this.#random;
    const isRaw = oneIn(random, 3);
    const words = Array.from({ length: BATCH }, () => (isRaw ? random.next() | 0 : randomWord(random)));
    this.#machine.load(words, page);
  }

  /** Tables that map RAM to itself with gaps, and CSRs; set by instructions, so that each is legal. */
  #newState(): void {
    const random = this.#random;
    const machine = this.#machine;
    this.#writeTables();
    machine.hart.reset(BOOT);
    const satp = (8n << 60n) | (BigInt(random.below(2)) << 44n) | BigInt(TABLES / PAGE_SIZE);
    const csrs: readonly (readonly [number, bigint])[] = [
      [Csr.mtvec, oneIn(random, 4) ? random64(random) : BigInt(RAM + random.below(CODE_PAGES) * PAGE_SIZE)],
      [Csr.stvec, randomRegister(random)],
      [Csr.mepc, randomRegister(random)],
      [Csr.sepc, randomRegister(random)],
      [Csr.medeleg, oneIn(random, 2) ? 0n : random64(random)],
      [Csr.mideleg, random64(random)],
      [Csr.mie, oneIn(random, 2) ? 0n : random64(random)],
      [Csr.mcounteren, random64(random)],
      [Csr.scounteren, random64(random)],
      [Csr.menvcfg, random64(random)],
      [Csr.stimecmp, random64(random)],
      [Csr.pmpaddr0, 2n ** 54n - 1n],
      [Csr.pmpcfg0, 0x1fn],
      [Csr.satp, oneIn(random, 4) ? 0n : satp],
      [Csr.mstatus, BigInt(random.next() & 0x7e19aa)],
    ];
    const code = csrs.map(([csr], i) => encode(Op.csrrw, 0, i + 1, 0, csr));
    machine.load(code, BOOT);
    csrs.forEach(([, value], i) => {
      machine.setX(i + 1, value);
    });
    machine.run(code.length);
    for (let register = 1; register < 32; register++) machine.setX(register, randomRegister(random));
  }

  #writeTables(): void {
    const random = this.#random;
    const [root, middle, leaf] = [TABLES, TABLES + PAGE_SIZE, TABLES + 2 * PAGE_SIZE];
    const put = (table: number, index: number, target: number, flags: number): void => {
      this.#machine.load([(target / PAGE_SIZE) * 1024 + flags, 0], table + index * 8);
    };
    put(root, 2, middle, 1);
    put(middle, 0, oneIn(random, 8) ? RAM : leaf, oneIn(random, 8) ? 0xcf | (random.below(2) << 4) : 1);
    const user = random.below(2) << 4;
    for (let page = 0; page < RAM_PAGES; page++) {
      const odd = oneIn(random, 8);
      put(leaf, page, RAM + page * PAGE_SIZE, odd ? random.below(256) : 0x0f | user);
    }
  }

  /** Each word of the page is begun at once at least. */
  #run(page: number, count: number): void {
    const random = this.#random;
    const { hart } = this.#machine;
    for (let i = 0; i < count; i++) {
      if (oneIn(random, 4)) this.#disturb();
      hart.setPc((page + i * 4) | 0, 0);
      const budget = oneIn(random, 32) ? this.#longest : between(random, 1, 3);
      const limit = hart.attempted + budget;
      const reason = this.#machine.run(budget);
      if (hart.attempted > limit) throw new Error(`${budget} instructions became more`);
      this.#expectSane();
      if (reason === Exit.crash) this.#newState();
    }
  }

  #disturb(): void {
    const random = this.#random;
    const { hart } = this.#machine;
    for (let n = 0; n < 4; n++) this.#machine.setX(random.below(32), randomRegister(random));
    hart.privilege = pick(random, [PRV_M, PRV_S, PRV_U]);
    updateContext(hart);
  }

  #expectSane(): void {
    const { hart } = this.#machine;
    const { block, privilege } = hart;
    if (block[0] !== 0 || block[1] !== 0) throw new Error(`x0 is not 0 at ${hex(hart.pc)}`);
    if ((block[64]! & 1) !== 0) throw new Error(`pc is odd: ${hex(hart.pc)}`);
    if (privilege !== PRV_M && privilege !== PRV_S && privilege !== PRV_U)
      throw new Error(`mode ${privilege}`);
  }
}

export const words = (): Soak => ({
  caseSize: CASE_WORDS,
  play: (seed, size) => new Words(seed).play(size),
});
