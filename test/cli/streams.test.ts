// Readers that go away, disks that are full, and signals: a run ends in good order, and leaves no file behind.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ended, FOLDER, guest, jsonOf, PRINT_FOR_EVER, SPIN, shell, start, umbra } from './umbra.ts';

const noisy = guest('noisy.s', PRINT_FOR_EVER);
const spin = guest('spin.s', SPIN);

const files = (): string[] => readdirSync(FOLDER).filter((name) => name.startsWith('swap'));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for the swap file, then a little: the guest runs by then. */
async function running(): Promise<void> {
  while (!files().includes('swap')) await sleep(20);
  await sleep(300);
}

describe('a reader of stdout that goes away', () => {
  it('ends the run, quietly', () => {
    const { status, stdout, stderr } = shell(`$U run ${noisy} | head -c 5; exit \${PIPESTATUS[0]}`);
    expect([status, stdout]).toEqual([141, 'xxxxx']);
    expect(stderr).toMatch(/^umbra: interrupted; [^\n]+\n$/);
  });

  it('does not matter where nothing is printed', () => {
    expect(shell(`$U run ${spin} --max-insns 1000 --json | true; exit \${PIPESTATUS[0]}`).status).toBe(124);
    expect(shell(`$U run ${spin} --max-insns 1000 >&- 2>&-`).status).toBe(124);
  });
});

describe('a reader of stdout that is slow', () => {
  it('holds the guest back, and misses nothing', () => {
    const { stdout } = shell(`$U run ${noisy} --max-insns 2000002 --swap memory | (sleep 1; wc -c)`);
    expect(stdout.trim()).toBe('1000000');
  });
});

describe('a disk that is full', () => {
  it('is one clear line, exit code 2', () => {
    const { status, stderr } = shell(`$U run ${noisy} > /dev/full`);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^umbra: cannot print what the guest prints: [^\n]*no space left[^\n]*\n$/);
  });

  it('is so for the report, for answers and for the trace', () => {
    const report = shell(`$U run ${spin} --max-insns 1000 --json > /dev/full`);
    expect(report.status).toBe(2);
    expect(report.stderr).toMatch(/^umbra: cannot write to standard output: [^\n]*no space left[^\n]*\n$/);
    writeFileSync(join(FOLDER, 'a.mm'), 'dump\n'.repeat(50));
    const answers = shell('$U mm a.mm > /dev/full');
    expect(answers.status).toBe(2);
    expect(answers.stderr).toMatch(/^umbra: cannot write to standard output: [^\n]*no space left[^\n]*\n$/);
    const trace = umbra('run', spin, '--max-insns', '1000', '--trace', '/dev/full');
    expect(trace.status).toBe(2);
    expect(trace.stderr).toBe('umbra: cannot write trace file /dev/full: no space left on device\n');
  });
});

describe('signals', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: the partial result, exit code %i, no file left', async (signal, code) => {
    const child = start('run', spin, '--swap', 'swap', '--json');
    let stdout = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    await running();
    child.kill(signal);
    expect(await ended(child)).toBe(code);
    expect(jsonOf(stdout)).toMatchObject({ outcome: 'interrupt', exitCode: code });
    expect(jsonOf(stdout).instructions).toBeGreaterThan(0);
    expect(files()).toEqual([]);
  });

  it('are heard while nobody reads what the guest prints', async () => {
    const child = start('run', noisy, '--swap', 'swap');
    const end = ended(child);
    await running();
    child.kill('SIGINT');
    await sleep(300);
    child.kill('SIGINT');
    expect([130, 'SIGINT']).toContain(await end);
    expect(files()).toEqual([]);
  });

  it.each([1200, 2400])(
    'end the proof of an exhibit in good order, whatever it was at (%i ms)',
    async (moment) => {
      const child = start('museum', '--check', 'end-before-bump', '--json');
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (text) => {
        stdout += text;
      });
      child.stderr.on('data', (text) => {
        stderr += text;
      });
      const end = ended(child);
      await sleep(moment);
      // As a terminal does it: whoever is in the group, the bundler too.
      process.kill(-child.pid!, 'SIGINT');
      const code = await end;
      // Node itself was still on its way.
      if (code === 'SIGINT') return;
      expect(code).toBe(130);
      expect(jsonOf(stdout)).toEqual({ schema: 'umbra.museum/1', exhibits: [] });
      expect(stderr).toBe('umbra: interrupted at end-before-bump: 0 of 1 checked before\n');
    },
  );
});
