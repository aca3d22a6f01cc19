// umbra run --report, as a process: a page however the run ends, and one clear line where it cannot be written.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ended, FOLDER, finish, guest, jsonOf, PASS, SPIN, start, umbra } from './umbra.ts';

const dataOf = (name: string): Record<string, unknown> =>
  JSON.parse(/id="data">(.*?)<\/script>/s.exec(readFileSync(join(FOLDER, name), 'utf8'))![1]!);

describe('--report', () => {
  it('writes a page of a guest that passes, and changes nothing else', () => {
    const pass = guest('pass.s', PASS);
    const plain = jsonOf(umbra('run', pass, '--json').stdout);
    const reported = jsonOf(umbra('run', pass, '--json', '--report', 'pass.html').stdout);
    expect(reported.digest).toBe(plain.digest);
    expect(dataOf('pass.html')).toMatchObject({
      title: 'pass.s: 64.0 MiB of RAM on a host of 32.0 MiB',
      end: 'well',
      command: 'umbra run pass.s --json --report pass.html',
    });
  });

  it.each([
    ['fails', finish(0x1234_3333), [], 1, 'badly', /^fail: the guest answered 4660; /],
    ['crashes', 'wfi\nj _start', [], 3, 'badly', /^crash: all harts wait/],
    [
      'reaches its limit',
      SPIN,
      ['--max-insns', '1000', '--check'],
      124,
      'early',
      /^the limit of 1000 instructions/,
    ],
  ])('writes one of a guest that %s', (_, source, flags, code, end, verdict) => {
    const { status } = umbra('run', guest('other.s', source), '--report', 'other.html', ...flags);
    expect(status).toBe(code);
    const data = dataOf('other.html');
    expect(data.end).toBe(end);
    expect(data.verdict).toMatch(verdict);
  });

  it('writes one of what was run until Ctrl-C', async () => {
    const dot = `li t0, 0x10000000\nli t1, '.'\nsb t1, 0(t0)\n`;
    const child = start('run', guest('spin.s', dot + SPIN), '--report', 'spin.html');
    child.stdout.once('data', () => child.kill('SIGINT'));
    const code = await ended(child);
    expect(code).toBe(130);
    expect(dataOf('spin.html').verdict).toMatch(/^interrupted; /);
  });

  it.each([
    [['--report', 'no/where.html'], 'cannot create report no/where.html: no such file or directory'],
    [['--report', '/dev/full'], 'cannot write report /dev/full: no space left on device'],
    [['--report', 'pass.s'], `${join(FOLDER, 'pass.s')} is named for two things`],
    [['--report', 'x', '--trace', './x'], `${join(FOLDER, 'x')} is named for two things`],
  ])('%j: one clear line, exit code 2', (flags, message) => {
    const pass = guest('pass.s', PASS);
    expect(umbra('run', pass, ...flags)).toEqual(
      expect.objectContaining({ status: 2, stdout: '', stderr: `umbra: ${message}\n` }),
    );
  });
});
