// How fast a guest that thrashes moves pages: its run, with a swap file, beside a bare loop that reads and writes the same
// slots of the same file in the same order; and where the rest of the time goes, in a run of its own.

import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../src/asm/index.ts';
import { createMachine, MACHINE_DEFAULTS } from '../../src/machine.ts';
import type { SwapDevice } from '../../src/mm/index.ts';
import { openSwapFile } from '../../src/platform/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { readProgram } from '../../src/vmm/index.ts';
import { ROOT } from './builds.ts';
import { median } from './measure.ts';
import { type ProfileLine, profileOf } from './profile.ts';

const MIB = 2 ** 20;
const RAM = 80 * MIB;
const HOST_RAM = 16 * MIB;
const SWAP = 256 * MIB;
const PROFILE_LINES = 12;

export interface SwapRate {
  readonly mmu: 'shadow' | 'tdp';
  /** Pages that went out or came in. */
  readonly transfers: number;
  readonly seconds: number;
  /** Of the bare loop. */
  readonly bareSeconds: number;
  /** Its pages a second through the bare loop's: 1 would be as fast. */
  readonly ratio: number;
  readonly profile: readonly ProfileLine[];
}

/** What a device was asked for: the slot, or its complement for a page that comes in. */
type Log = number[];

export async function measureSwapRate(
  folder: string,
  repeats: number,
  onRate: (rate: SwapRate) => void,
): Promise<SwapRate[]> {
  const rates: SwapRate[] = [];
  for (const mmu of ['shadow', 'tdp'] as const) {
    const device = await openSwapFile({ path: join(folder, `swap-${mmu}`), bytes: SWAP });
    try {
      const rate = rateOf(mmu, device, join(folder, `swap-${mmu}`), repeats);
      onRate(rate);
      rates.push(rate);
    } finally {
      device.close();
    }
  }
  return rates;
}

function rateOf(mmu: 'shadow' | 'tdp', device: SwapDevice, path: string, repeats: number): SwapRate {
  const log: Log = [];
  play(mmu, recording(device, log));
  const runs = Array.from({ length: repeats }, () => ({
    seconds: secondsOf(() => play(mmu, device)),
    bareSeconds: secondsOf(() => moveBare(path, log)),
  }));
  const seconds = median(runs.map((run) => run.seconds));
  const bareSeconds = median(runs.map((run) => run.bareSeconds));
  const profile = profileOf(() => play(mmu, device), PROFILE_LINES);
  return { mmu, transfers: log.length, seconds, bareSeconds, ratio: bareSeconds / seconds, profile };
}

const recording = (device: SwapDevice, log: Log): SwapDevice => ({
  slots: device.slots,
  submit(request) {
    log.push(request.write ? request.slot : ~request.slot);
    device.submit(request);
  },
});

/** The thrasher, to its end. */
function play(mmu: 'shadow' | 'tdp', swap: SwapDevice): void {
  const file = join(ROOT, 'guests/thrash.s');
  const { elf } = assemble(readFileSync(file, 'utf8'), { file });
  const machine = createMachine({
    ...MACHINE_DEFAULTS,
    image: readProgram(elf, file, RAM),
    ramBytes: RAM,
    hostRamBytes: HOST_RAM,
    mmu,
    swap,
    swapBackend: 'file',
  });
  machine.runSlice(() => false);
  const { stop } = machine;
  if (stop?.code !== 0 || stop.crash !== null) throw new Error(`the guest: ${JSON.stringify(stop)}`);
  machine.shutdown();
}

/** The same transfers, by the two system calls alone. */
function moveBare(path: string, log: Log): void {
  const fd = openSync(path, 'r+');
  const page = new Uint8Array(PAGE_SIZE).fill(0x5a);
  for (const entry of log) {
    if (entry >= 0) writeSync(fd, page, 0, PAGE_SIZE, entry * PAGE_SIZE);
    else readSync(fd, page, 0, PAGE_SIZE, ~entry * PAGE_SIZE);
  }
  closeSync(fd);
}

function secondsOf(work: () => void): number {
  const begin = performance.now();
  work();
  return (performance.now() - begin) / 1000;
}
