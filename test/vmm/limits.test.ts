// Where a run ends, and when a timer interrupt comes: at the very instruction, whatever sleeps, is translated or written
// to the swap device at the time.

import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/units.ts';
import { codeOf, runGuest } from './guest.ts';

/** Every hart writes to 128 pages of its own, for ever. */
const THRASHER = `
      csrr  t0, mhartid
      slli  t0, t0, 19
      li    t1, 0x80010000
      add   t1, t1, t0
1:    mv    t2, t1
      li    t3, 128
      li    t4, 4096
2:    sd    t2, 0(t2)
      add   t2, t2, t4
      addi  t3, t3, -1
      bnez  t3, 2b
      j     1b
`;

describe('the limit of instructions', () => {
  it.each([2, 3])('is met exactly by %i harts that sleep while the host swaps', (vcpus) => {
    for (const maxInstructions of [2, 777, 5000]) {
      const options = { vcpus, maxInstructions, ramBytes: 2 ** 21, hostRamBytes: 80 * PAGE_SIZE };
      const { machine, stop } = runGuest(THRASHER, options);
      expect([machine.instructions, stop.reason]).toEqual([maxInstructions, 'instruction limit']);
    }
  });

  it('gives every hart a share', () => {
    const { machine } = runGuest(THRASHER, { vcpus: 2, maxInstructions: 1000, ramBytes: 2 ** 21 });
    expect(Math.min(...machine.harts.map(({ attempted }) => attempted))).toBeGreaterThan(100);
  });
});

/** Touches so many pages, and little else. */
const toucher = (pages: number): string => `
      li    t1, 0x80100000
      li    t2, ${pages}
      li    t3, 4096
1:    sd    t1, 0(t1)
      add   t1, t1, t3
      addi  t2, t2, -1
      bnez  t2, 1b
      finish_with 0
`;

describe('a guest that faults all the time', () => {
  it('lets who waits for the machine to pause have it after some hundred faults', () => {
    const chancesWith = (pages: number): number => {
      let chances = 0;
      const isOver = (): boolean => ++chances === 0;
      runGuest(toucher(pages), { ramBytes: 2 ** 23, hostRamBytes: 2 ** 24, check: 'off', isOver });
      return chances;
    };
    expect(chancesWith(1010) - chancesWith(10)).toBeGreaterThanOrEqual(3);
  });
});

describe('a machine that is taken down while pages are being written', () => {
  it('leaves nothing behind', () => {
    const options = { ramBytes: 2 ** 21, hostRamBytes: 48 * PAGE_SIZE };
    let written = 0;
    // runGuest() takes it down and expects no violation.
    for (let maxInstructions = 200; maxInstructions < 500; maxInstructions += 20) {
      const { machine } = runGuest(THRASHER, { ...options, maxInstructions });
      written += machine.statistics().vm.pswpout ?? 0;
    }
    expect(written).toBeGreaterThan(0);
  });
});

/** Fails with the ticks by which the interrupt of a timer that was set `ticks` ahead comes too late. */
const timer = (ticks: number): string => `
      la    t0, handler
      csrw  mtvec, t0
      csrr  t0, time
      addi  t0, t0, ${ticks}
      csrw  stimecmp, t0
      li    t1, 32
      csrw  mie, t1
      csrwi mstatus, 8
      li    t1, -1
      slli  t1, t1, 63
      csrw  menvcfg, t1
1:    addi  a1, a1, 1
      j     1b
      .align 2
handler:
      csrr  a0, time
      sub   a0, a0, t0
      finish
`;

describe('the supervisor timer', () => {
  it.each([true, false])('is on time when it is set within a run (translator: %s)', (translate) => {
    for (const ticks of [1, 2, 10, 250])
      expect({ ticks, late: codeOf(timer(ticks), { translate }) }).toEqual({ ticks, late: 0 });
  });

  it('is on time when it is set while it is enabled', () => {
    const source = timer(3).replace(
      'csrw  menvcfg, t1',
      'csrw  menvcfg, t1\n      addi t0, t0, 5\n      csrw stimecmp, t0',
    );
    expect(codeOf(source)).toBe(0);
  });
});

/** Code, data and every table of one load in 2 MiB of its own, all of which the host needs page tables for. */
const FAR_APART = `
      .equ RAM, 0x80000000
      .equ REGION, 1 << 21
      li    t1, RAM + 2 * REGION        # root -> two tables -> leaves -> code, data
      li    t2, RAM + 3 * REGION
      li    t3, RAM + 4 * REGION
      li    t4, RAM + 5 * REGION
      li    t5, RAM + 6 * REGION
      li    t6, RAM + 7 * REGION
      li    s2, RAM + 1 * REGION
      srli  t0, s2, 2
      addi  t0, t0, 1
      sd    t0, (8)(t1)
      srli  t0, t2, 2
      addi  t0, t0, 1
      sd    t0, (0)(t1)
      srli  t0, t3, 2
      addi  t0, t0, 1
      sd    t0, (0)(t2)
      srli  t0, t4, 2
      addi  t0, t0, 1
      sd    t0, (0)(s2)
      srli  t0, t5, 2
      addi  t0, t0, 0xcb
      sd    t0, (8)(t3)
      srli  t0, t6, 2
      addi  t0, t0, 0xc7
      sd    t0, (8)(t4)
      lla   t0, loads
      lw    t2, (0)(t0)
      sw    t2, (0)(t5)
      lw    t2, (4)(t0)
      sw    t2, (4)(t5)
      lla   t0, done
      csrw  mtvec, t0
      li    t0, -1
      csrw  pmpaddr0, t0
      li    t0, 0x1f
      csrw  pmpcfg0, t0
      srli  t1, t1, 12
      li    t0, 8 << 60
      or    t0, t0, t1
      csrw  satp, t0
      li    t0, 1 << 11
      csrs  mstatus, t0
      li    t0, 1 << 12
      csrc  mstatus, t0
      li    t0, 0x1000
      csrw  mepc, t0
      li    a1, 0x40001000
      mret
      .balign 4
done: finish_with 0
      .balign 4
      .option norvc
loads:
      ld    a1, 0(a1)
      ecall
`;

describe('a host that is too small for one instruction', () => {
  const options = { mmu: 'tdp', ramBytes: 2 ** 24 } as const;

  it('ends the run: out of memory', () => {
    const { stop } = runGuest(FAR_APART, { ...options, hostRamBytes: 32 * PAGE_SIZE });
    expect(stop.crash).toMatch(/^out of memory while running the guest/);
  });

  it('is smaller than one that can hold what the instruction needs', () => {
    expect(codeOf(FAR_APART, { ...options, hostRamBytes: 40 * PAGE_SIZE })).toBe(0);
  });
});
