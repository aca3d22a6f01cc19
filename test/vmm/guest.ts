// Runs a guest written in a test: assembly in, what it printed and how it ended out. Invariants and leaks are checked.

import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { createMachine, type Machine, type MachineConfig } from '../../src/machine.ts';
import { MemorySwapDevice } from '../../src/mm/index.ts';
import { TraceRing } from '../../src/trace/index.ts';
import type { StopRecord } from '../../src/vmm/index.ts';
import { readProgram } from '../../src/vmm/index.ts';

export interface GuestOptions extends Partial<MachineConfig> {
  /** When a slice is over; asked between scheduler steps. */
  readonly isOver?: () => boolean;
}

export interface GuestRun {
  readonly machine: Machine;
  readonly stop: StopRecord;
  readonly text: string;
  /** Of events, final memory and registers. */
  readonly digest: string;
}

/** Symbols for all test guests. */
const BOARD = `
    .equ UART, 0x10000000
    .equ FINISHER, 0x100000
    .equ CLINT, 0x2000000
    .equ MTIMECMP, CLINT + 0x4000
    .equ MTIME, CLINT + 0xbff8
    .equ NS_PER_TICK, 100
    # ends the guest: a0 = 0 passes, anything else fails with that code
    .macro finish
    li      t0, FINISHER
    li      t1, 0x5555
    beqz    a0, 777f
    slli    t1, a0, 16
    li      a0, 0x3333
    or      t1, t1, a0
777:
    sw      t1, 0(t0)
776: j      776b
    .endm
    .macro finish_with value
    li      a0, \\value
    finish
    .endm
    .text
    .globl _start
_start:
`;

export function runGuest(source: string, options: GuestOptions = {}): GuestRun {
  const { isOver = () => false, ...config } = options;
  const hash = createHash('sha256');
  const printed: Uint8Array[] = [];
  const ramBytes = config.ramBytes ?? 2 ** 20;
  const { elf } = assemble(BOARD + source, { file: 'test.s' });
  const machine = createMachine({
    image: readProgram(elf, 'test.s', ramBytes),
    ramBytes,
    hostRamBytes: 2 ** 20,
    vcpus: 1,
    mmu: 'shadow',
    ad: 'hardware',
    seed: 1,
    check: 'on',
    swap: new MemorySwapDevice(1024),
    swapBackend: 'memory',
    console: (bytes) => printed.push(bytes.slice()),
    ring: new TraceRing(1024, (records) => {
      hash.update(records);
    }),
    maxInstructions: 10_000_000,
    ...config,
  });
  while (machine.runSlice(isOver) === 'running');
  machine.config.ring?.flush();
  machine.finalState((bytes) => hash.update(bytes));
  const stop = machine.stop!;
  machine.shutdown();
  expect(machine.check.violations).toEqual([]);
  return { machine, stop, text: Buffer.concat(printed).toString(), digest: hash.digest('hex') };
}

/** The code that a guest failed with; 0: it passed. */
export function codeOf(source: string, options?: GuestOptions): number {
  const { stop } = runGuest(source, options);
  expect(stop).toMatchObject({ crash: null });
  expect(stop.via).not.toBeNull();
  return stop.code;
}
