// The board as guests see it: real programs on the real machine.

import { describe, expect, it } from 'vitest';
import { codeOf, runGuest } from './guest.ts';

const PASS = { via: 'finisher', code: 0, crash: null, reason: null };

describe('power-on', () => {
  it('gives each hart its number in a0 and the device tree in a1', () => {
    const source = `
      csrr  t0, mhartid
      bne   t0, a0, wrong
      lwu   t1, 0(a1)
      li    t2, 0xedfe0dd0
      bne   t1, t2, wrong
      la    t3, seen
      li    t4, 1
      amoadd.w zero, t4, (t3)
      bnez  a0, park
      li    t5, 3
wait: lw    t4, 0(t3)
      bne   t4, t5, wait
      finish_with 0
wrong: finish_with 1
park: wfi
      j     park
      .data
seen: .word 0`;
    expect(codeOf(source, { vcpus: 3 })).toBe(0);
  });

  it('starts in M mode with interrupts off and everything else zero', () => {
    const source = `
      csrr  t0, mstatus
      andi  t0, t0, 8
      or    a0, t0, sp
      or    a0, a0, s0
      csrr  t0, satp
      or    a0, a0, t0
      finish`;
    expect(codeOf(source)).toBe(0);
  });

  it('gives no device tree where the program leaves no room for one', () => {
    expect(codeOf('snez a0, a1\nfinish\n.bss\n.balign 4096\n.space 1024 * 1024 - 4096')).toBe(0);
    expect(codeOf('snez a0, a1\nfinish')).toBe(1);
  });
});

describe('devices', () => {
  it('print, in order, byte for byte', () => {
    const source = `
      li    a1, UART
      la    a2, text
1:    lbu   a3, 0(a2)
      beqz  a3, 2f
      sb    a3, 0(a1)
      addi  a2, a2, 1
      j     1b
2:    finish_with 0
text: .string "zwölf\\n"`;
    expect(runGuest(source).text).toBe('zwölf\n');
  });

  it('are not there: an access fault, with the address', () => {
    const source = `
      la    t0, trap
      csrw  mtvec, t0
      li    s0, 0x20000004
      li    s1, 5
      lw    t1, 0(s0)
      li    s1, 7
      sd    t1, 0(s0)
      finish_with 0
      .balign 4
trap: csrr  t0, mcause
      bne   t0, s1, wrong
      csrr  t0, mtval
      bne   t0, s0, wrong
      addi  s0, s0, 4
      csrr  t0, mepc
      addi  t0, t0, 4
      csrw  mepc, t0
      mret
wrong: finish_with 9`;
    expect(codeOf(source)).toBe(0);
  });

  it('do not answer instruction fetches, atomics, or odd widths', () => {
    const source = `
      la    t0, trap
      csrw  mtvec, t0
      li    s0, 0
      li    t1, UART
      la    s2, 1f
      amoadd.w zero, zero, (t1)
1:    la    s2, 2f
      li    t1, CLINT
      lb    zero, 0(t1)
2:    la    s2, 3f
      li    t1, MTIME + 4
      ld    zero, 0(t1)
3:    la    s2, 4f
      li    t1, FINISHER
      jr    t1
4:    li    t2, 7 + 5 * 16 + 5 * 256 + 1 * 4096
      xor   a0, s0, t2
      finish
      .balign 4
trap: csrr  t0, mcause
      sll   t0, t0, s3
      addi  s3, s3, 4
      or    s0, s0, t0
      csrw  mepc, s2
      mret`;
    expect(codeOf(source)).toBe(0);
  });
});

describe('time', () => {
  it('passes 100 ns a tick, one instruction a nanosecond', () => {
    const source = `
      csrr  s0, time
      li    t1, 1000
1:    addi  t1, t1, -1
      bnez  t1, 1b
      csrr  s1, time
      sub   a0, s1, s0
      addi  a0, a0, -20
      finish`;
    expect(codeOf(source)).toBe(0);
  });

  it('is the same in the CSR and in mtime', () => {
    const source = `
      li    s0, MTIME
      li    s2, 1000
1:    ld    t0, 0(s0)
      csrr  t1, time
      ld    t2, 0(s0)
      bltu  t1, t0, wrong
      bltu  t2, t1, wrong
      addi  s2, s2, -1
      bnez  s2, 1b
      finish_with 0
wrong: finish_with 1`;
    expect(codeOf(source)).toBe(0);
  });

  const TIMER = `
      la    t0, trap
      csrw  mtvec, t0
      li    t0, 1 << 7
      csrw  mie, t0
      li    s0, MTIMECMP
      li    t0, MTIME
      ld    s1, 0(t0)
      li    t1, TICKS
      add   s1, s1, t1
      sd    s1, 0(s0)
      csrsi mstatus, 8
      WAIT
      .balign 4
trap: csrr  s2, time
      csrr  t0, mcause
      li    t1, 1 << 63 | 7
      bne   t0, t1, wrong
      sub   a0, s2, s1
      finish
wrong: finish_with 99`;
  const timer = (ticks: number, wait: string) => TIMER.replace('TICKS', `${ticks}`).replace('WAIT', wait);

  it.each([1, 7, 999, 1000, 1001, 12_345])(
    'a timer interrupts a busy hart in the very tick (%i)',
    (ticks) => {
      expect(codeOf(timer(ticks, '1: j 1b'))).toBe(0);
    },
  );

  it('a timer wakes a hart that waits, and the wait takes no work', () => {
    const { stop, machine } = runGuest(timer(10_000_000, '1: wfi\n j 1b'));
    expect(stop).toEqual(PASS);
    expect(machine.sched.now).toBeGreaterThanOrEqual(1e9);
    expect(machine.instructions).toBeLessThan(100);
  });

  it('a hart that waits wakes again for a deadline that another hart brings forward', () => {
    const source = `
      bnez  a0, other
      li    t1, 1 << 7
      csrw  mie, t1
      li    t0, MTIMECMP
      li    t1, 1 << 40
      sd    t1, 0(t0)
      la    t0, ready
      sd    t1, 0(t0)
      wfi
      csrr  s0, time
      li    t1, 5000
      sub   a0, s0, t1
      finish
other: la   t0, ready
1:    ld    t1, 0(t0)
      beqz  t1, 1b
      li    t0, MTIMECMP
      li    t1, 5000
      sd    t1, 0(t0)
2:    wfi
      j     2b
      .balign 8
ready: .dword 0`;
    expect(codeOf(source, { vcpus: 2 })).toBe(0);
  });

  it('harts wake each other by software interrupts', () => {
    const source = `
      li    t0, CLINT
      slli  t1, a0, 2
      add   s0, t0, t1
      xori  t1, t1, 4
      add   s1, t0, t1
      li    t1, 1 << 3
      csrw  mie, t1
      li    s2, 100
      bnez  a0, wait
      li    t2, 1
      sw    t2, 0(s1)
wait: csrr  t1, mip
      andi  t1, t1, 8
      bnez  t1, got
      wfi
      j     wait
got:  sw    zero, 0(s0)
      li    t2, 1
      sw    t2, 0(s1)
      addi  s2, s2, -1
      bnez  s2, wait
      bnez  a0, park
      finish_with 0
park: wfi
      j     park`;
    const { stop } = runGuest(source, { vcpus: 2 });
    expect(stop).toEqual(PASS);
  });

  it('the supervisor timer wakes a hart that waits', () => {
    const source = `
      li    t0, 1 << 63
      csrw  menvcfg, t0
      li    t0, 1 << 5
      csrw  mie, t0
      li    t0, 50000
      csrw  stimecmp, t0
1:    csrr  t1, mip
      andi  t1, t1, 32
      bnez  t1, 2f
      wfi
      j     1b
2:    csrr  a0, time
      li    t0, 50000
      sub   a0, a0, t0
      finish`;
    expect(codeOf(source)).toBe(0);
  });
});

describe('a guest that cannot go on', () => {
  const forever = {
    via: null,
    code: 0,
    crash: 'all harts wait for an interrupt that cannot come',
    reason: null,
  };

  it('waits for ever: no interrupt enabled', () => {
    expect(runGuest('1: wfi\n j 1b', { vcpus: 3 }).stop).toEqual(forever);
  });

  it('waits for ever: its timer rings, but is not enabled', () => {
    const { stop, machine } = runGuest(`
      li    t0, MTIMECMP
      li    t1, 1000
      sd    t1, 0(t0)
1:    wfi
      j     1b`);
    expect(stop).toEqual(forever);
    expect(machine.sched.now).toBeGreaterThanOrEqual(100_000);
  });

  it('has a trap handler that cannot be fetched', () => {
    const { stop } = runGuest('li t0, 0x40000000\ncsrw mtvec, t0\n.word 0');
    expect(stop.crash).toBe(
      'hart 0: instruction access fault at the first instruction of its trap handler, 0x40000000',
    );
  });

  it('runs out of memory, also while it is loaded', () => {
    const touch = `
      la    t0, buffer
      li    t1, 200
1:    sd    t0, 0(t0)
      li    t2, 4096
      add   t0, t0, t2
      addi  t1, t1, -1
      bnez  t1, 1b
      finish_with 0
      .bss
      .balign 4096
buffer: .space 200 * 4096`;
    const small = { hostRamBytes: 128 * 1024, swap: null, swapBackend: 'none' } as const;
    expect(runGuest(touch, small).stop.crash).toMatch(/^out of memory while running the guest/);
    const { stop } = runGuest('.rept 60 * 1024\n.dword 1\n.endr', small);
    expect(stop.crash).toMatch(/^out of memory while loading the program/);
  });
});

describe('a limit on instructions', () => {
  it.each([1, 2, 99_999, 100_000, 250_001])('is exact: %i', (maxInstructions) => {
    const { stop, machine } = runGuest('1: j 1b', { maxInstructions });
    expect(stop).toEqual({ via: null, code: 0, crash: null, reason: 'instruction limit' });
    expect(machine.instructions).toBe(maxInstructions);
  });

  it('counts all harts together', () => {
    expect(runGuest('1: j 1b', { maxInstructions: 333_333, vcpus: 4 }).machine.instructions).toBe(333_333);
  });
});

describe('HTIF', () => {
  const HTIF = `
      .data
      .balign 4096
      .globl tohost, fromhost
tohost: .dword 0
fromhost: .dword 0
block: .dword 64, 1, text, 6, 0, 0, 0, 0
text: .ascii "hello\\n"`;

  it('ends the guest with its code', () => {
    expect(runGuest(`la t0, tohost\nli t1, 7 << 1 | 1\nsd t1, 0(t0)\n1: j 1b${HTIF}`).stop).toEqual({
      via: 'htif',
      code: 7,
      crash: null,
      reason: null,
    });
  });

  it('waits for the other half of a word that is stored in two', () => {
    const { stop, text } = runGuest(`
      la    t0, tohost
      li    t1, 'A'
      li    t2, 0x01010000
      sw    t1, 0(t0)
      sw    t2, 4(t0)
1:    ld    t3, 0(t0)
      bnez  t3, 1b
      li    t1, 1
      sw    t1, 0(t0)
2:    wfi
      j     2b${HTIF}`);
    expect(text).toBe('A');
    expect(stop).toMatchObject({ via: 'htif', code: 0 });
  });

  it('carries out system calls', () => {
    const { stop, text } = runGuest(`
      la    t0, tohost
      la    t1, block
      sd    t1, 0(t0)
1:    ld    t2, 8(t0)
      beqz  t2, 1b
      ld    a0, 0(t1)
      slli  a0, a0, 1
      ori   a0, a0, 1
      sd    a0, 0(t0)
2:    j     2b${HTIF}`);
    expect(text).toBe('hello\n');
    expect(stop).toMatchObject({ via: 'htif', code: 6 });
  });

  it('keeps the words of several harts apart as long as they do', () => {
    const source = `
      la    t0, tohost
      la    t4, lock
      li    s2, 50
again: amoswap.w.aq t1, s2, (t4)
      bnez  t1, again
      csrr  t1, mhartid
      addi  t1, t1, 'a'
      li    t2, 0x0101 << 48
      or    t1, t1, t2
      sd    t1, 0(t0)
1:    ld    t1, 0(t0)
      bnez  t1, 1b
      amoswap.w.rl zero, zero, (t4)
      addi  s2, s2, -1
      bnez  s2, again
      la    t4, done
      li    t1, 1
      amoadd.w t1, t1, (t4)
      li    t2, 3
      bne   t1, t2, 2f
      li    t1, 1
      sd    t1, 0(t0)
2:    wfi
      j     2b
      .section .bss
lock: .word 0
done: .word 0${HTIF}`;
    const { text } = runGuest(source, { vcpus: 4, hostRamBytes: 128 * 1024, maxInstructions: 1e9 });
    expect([...text].sort().join('')).toBe('abcd'.replace(/./g, (c) => c.repeat(50)));
  });
});

describe('determinism', () => {
  const source = `
      la    t4, counter
      li    s2, 20000
1:    amoadd.w zero, s2, (t4)
      la    t5, buffer
      slli  t6, s2, 9
      li    t2, 0x3ffff
      and   t6, t6, t2
      add   t5, t5, t6
      sw    s2, 0(t5)
      addi  s2, s2, -1
      bnez  s2, 1b
      la    t4, done
      li    t1, 1
      amoadd.w t1, t1, (t4)
      beqz  t1, 2f
      finish_with 0
2:    wfi
      j     2b
      .bss
counter: .word 0
done: .word 0
      .balign 4096
buffer: .space 0x40000`;
  const options = { vcpus: 2, hostRamBytes: 160 * 1024 };

  it('how a run is sliced does not matter, while pages go out and come back', () => {
    const whole = runGuest(source, options);
    expect(whole.stop).toEqual(PASS);
    expect(whole.machine.statistics().vm.pswpin).toBeGreaterThan(100);
    let steps = 0;
    const sliced = [
      runGuest(source, { ...options, isOver: () => steps++ % 7 === 6 }),
      runGuest(source, options),
    ];
    expect(sliced.map((run) => run.digest)).toEqual([whole.digest, whole.digest]);
  });

  it('another seed may give another interleaving, the same program another result of none', () => {
    const { stop } = runGuest(source, { ...options, seed: 99 });
    expect(stop).toEqual(PASS);
  });
});

it('a store conditional fails after a device stored where it reserved', () => {
  const code = codeOf(`
      la    s0, fromhost
      la    s1, tohost
      la    s2, block
      lr.d  t0, (s0)
      sd    s2, 0(s1)                   # write(1, block, 0), which is answered before the next instruction
      sc.d  a0, t0, (s0)
      seqz  a0, a0
      ld    t1, 0(s0)
      li    t2, 1
      beq   t1, t2, 1f
      li    a0, 2
1:    finish
      .data
      .balign 4096
tohost: .dword 0
fromhost: .dword 0
block: .dword 64, 1, block, 0, 0, 0, 0, 0
  `);
  expect(code).toBe(0);
});
