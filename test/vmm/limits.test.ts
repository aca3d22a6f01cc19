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
