// The engines that the benchmark compares: how each is found, and how it runs a program as a process of its own.
//
// What counts is what a user waits for: wall-clock time from start to exit, start-up and warm-up included.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** What an engine must know of a program. */
export interface Guest {
  readonly name: string;
  readonly ramMegabytes: number;
}

export interface Engine {
  readonly name: string;
  /** Its version, or null when it is not installed. */
  version(): string | null;
  /** Throws when the program fails. */
  run(guest: Guest, path: string): EngineRun;
}

export interface EngineRun {
  /** Wall-clock time. */
  readonly seconds: number;
  /** What the guest printed. */
  readonly output: string;
  /** How many instructions the guest executed, where the engine tells. */
  readonly instructions: number | null;
  /** Exits to the hypervisor by cause, where the engine tells. */
  readonly exits: Readonly<Record<string, number>> | null;
}

export const LAUNCHER = join(import.meta.dirname, '../../src/cli/umbra.js');
const MAX_SECONDS = 300;

/** `huge`: on a host that gives huge pages, as QEMU has of its own, whom it asks for them (MADV_HUGEPAGE). */
const umbra = (mmu: 'shadow' | 'tdp', huge = false): Engine => ({
  name: `umbra ${mmu}${huge ? ', THP' : ''}`,
  version: () => `Node ${process.version}`,
  run({ name, ramMegabytes }, path) {
    const ram = `${ramMegabytes}M`;
    // Page tables, shadow tables and what else the host keeps take a few percent.
    const hostRam = `${Math.ceil(ramMegabytes * 1.05) + 4}M`;
    const flags = [
      'run',
      path,
      '--json',
      '--no-digest',
      '--ram',
      ram,
      '--host-ram',
      hostRam,
      '--swap',
      'none',
      '--mmu',
      mmu,
      '--thp',
      huge ? 'always' : 'never',
    ];
    const { seconds, stdout, stderr } = timed(process.execPath, [LAUNCHER, ...flags]);
    const report = JSON.parse(stdout);
    if (report.outcome !== 'pass') throw new Error(`${name}: ${report.message}`);
    return { seconds, output: stderr.trim(), instructions: report.instructions, exits: report.exits };
  },
});

const qemu: Engine = {
  name: 'qemu-system-riscv64',
  version: () => firstLineOf('qemu-system-riscv64', '--version'),
  run({ ramMegabytes }, path) {
    const flags = ['-M', 'virt', '-bios', 'none', '-nographic', '-m', `${ramMegabytes}M`];
    const { seconds, stdout } = timed('qemu-system-riscv64', [...flags, '-kernel', path]);
    return { seconds, output: stdout.trim(), instructions: null, exits: null };
  },
};

export const UMBRA: readonly Engine[] = [umbra('shadow'), umbra('tdp')];
/** For programs that use much memory. */
export const UMBRA_HUGE: readonly Engine[] = [umbra('shadow', true), umbra('tdp', true)];
export const PEERS: readonly Engine[] = [qemu];

/** Runs Umbra once, so that no measured run has to compile it. */
export function warmUp(): void {
  timed(process.execPath, [LAUNCHER, 'run', join(import.meta.dirname, '../../guests/hello.s')]);
}

/** Runs a process to its end; throws when it fails. */
export function timed(
  command: string,
  args: readonly string[],
): { seconds: number; stdout: string; stderr: string } {
  const start = performance.now();
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: MAX_SECONDS * 1000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? status}\n${stderr}`);
  return { seconds, stdout, stderr };
}

function firstLineOf(command: string, flag: string): string | null {
  const { status, stdout } = spawnSync(command, [flag], { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0]! : null;
}
