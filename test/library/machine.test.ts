// The public API, as the README shows it: a guest in a few lines of assembly, on a host with less memory than it needs.

import { expect, it } from 'vitest';
import {
  AssemblerError,
  assemble,
  createMachine,
  InputError,
  MACHINE_DEFAULTS,
  MemorySwapDevice,
  readProgram,
  TraceRing,
} from '../../src/index.ts';

const MIB = 2 ** 20;

/** Writes a word to each page of 2 MiB, and reads them all again. */
const SOURCE = `
    .globl _start
_start:
    la      t0, buffer_start
    la      t1, buffer_end
    li      t2, 4096
    mv      t3, t0
1:  sd      t3, 0(t3)
    add     t3, t3, t2
    bltu    t3, t1, 1b
    mv      t3, t0
2:  ld      t4, 0(t3)
    bne     t4, t3, fail
    add     t3, t3, t2
    bltu    t3, t1, 2b
    li      t5, 0x5555
    j       finish
fail:
    li      t5, 0x13333
finish:
    li      t6, 0x100000
    sw      t5, 0(t6)
    j       finish
    .bss
    .balign 4096
buffer_start:
    .zero   2 << 20
buffer_end:
`;

it('runs a guest that its host cannot hold', () => {
  const image = readProgram(assemble(SOURCE, { file: 'guest.s' }).elf, 'guest.s', 4 * MIB);
  const ring = new TraceRing(1024);
  const machine = createMachine({
    ...MACHINE_DEFAULTS,
    image,
    ramBytes: 4 * MIB,
    hostRamBytes: MIB,
    swap: new MemorySwapDevice(1024),
    swapBackend: 'memory',
    check: 'on',
    ring,
  });
  while (machine.runSlice(() => true) === 'running');
  expect(machine.stop).toMatchObject({ via: 'finisher', code: 0 });
  expect(machine.statistics().vm.pswpout).toBeGreaterThan(256);
  expect(machine.statistics().coverage).toEqual({ pages: 512, neverSwapped: 0 });
  machine.shutdown();
  expect(machine.check.violations).toEqual([]);
  expect(ring.recorded).toBeGreaterThan(1000);
});

it('throws what a user can get wrong, in one line', () => {
  expect(() => assemble('bad', { file: 'x.s' })).toThrow(AssemblerError);
  expect(() => readProgram(new Uint8Array(3), 'x', MIB)).toThrow(InputError);
});
