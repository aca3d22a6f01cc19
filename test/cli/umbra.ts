// The command as users start it: a process of its own.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export const ROOT = join(import.meta.dirname, '../..');
const LAUNCHER = join(ROOT, 'src/cli/umbra.js');

/** A folder for the files of one test file. */
export const FOLDER = mkdtempSync(join(tmpdir(), 'umbra-cli-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

export function umbra(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [LAUNCHER, ...args], { cwd: FOLDER, encoding: 'utf8', timeout: 60_000 });
}

/** Through a shell: "$U" is the command. */
export function shell(script: string): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, U: `${process.execPath} ${LAUNCHER}` };
  return spawnSync('bash', ['-c', script], { cwd: FOLDER, encoding: 'utf8', timeout: 60_000, env });
}

/** In a process group of its own. */
export const start = (...args: string[]): ChildProcessWithoutNullStreams =>
  spawn(process.execPath, [LAUNCHER, ...args], { cwd: FOLDER, detached: true });

/** Exit code, or the signal that ended it. */
export const ended = (child: ChildProcessWithoutNullStreams): Promise<number | string | null> =>
  new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));

/** Writes a guest; its name is relative to FOLDER. */
export function guest(name: string, source: string): string {
  writeFileSync(join(FOLDER, name), `.globl _start\n_start:\n${source}\n`);
  return name;
}

/** Exactly one line of JSON. */
export function jsonOf(stdout: string): Record<string, unknown> {
  if (!/^[^\n]+\n$/.test(stdout)) throw new Error(`not one line: ${JSON.stringify(stdout)}`);
  return JSON.parse(stdout);
}

export const SPIN = '1: j 1b';
export const PRINT_FOR_EVER = "li a1, 0x10000000\nli a2, 'x'\n1: sb a2, 0(a1)\nj 1b";
export const finish = (word: number): string => `li t0, 0x100000\nli t1, ${word}\nsw t1, 0(t0)\n1: j 1b`;
export const PASS = finish(0x5555);
