// umbra run, as a process: outcomes, exit codes, what goes to which stream, and the JSON line.

import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FOLDER, finish, guest, jsonOf, PASS, ROOT, SPIN, umbra } from './umbra.ts';

const HELLO = join(ROOT, 'guests/hello.s');
const THRASH = join(ROOT, 'guests/thrash.s');

describe('a guest that passes', () => {
  it('prints on stdout; how it went stands on stderr', () => {
    const { status, stdout, stderr } = umbra('run', HELLO);
    expect([status, stdout]).toEqual([0, 'hello, world\n']);
    expect(stderr).toMatch(
      /^umbra: pass; 118 instructions in [\d.]+ s \([\d.]+ MIPS\), host memory \d+ KiB of 32.0 MiB, swap 0 KiB\n$/,
    );
  });

  it('with --json prints on stderr, and the report is the one line on stdout', () => {
    const { status, stdout, stderr } = umbra('run', HELLO, '--json', '--vcpus', '2', '--seed', '7');
    expect([status, stderr]).toEqual([0, 'hello, world\n']);
    const report = jsonOf(stdout);
    expect(Object.keys(report)).toEqual([
      'schema',
      'outcome',
      'exitCode',
      'message',
      'seed',
      'mmu',
      'ad',
      'guest',
      'instructions',
      'seconds',
      'mips',
      'ram',
      'swap',
      'coverage',
      'exits',
      'kvm',
      'vm',
      'notifier',
      'check',
      'digest',
    ]);
    expect(report).toMatchObject({
      schema: 'umbra.run/1',
      outcome: 'pass',
      exitCode: 0,
      message: null,
      seed: 7,
      mmu: 'shadow',
      ad: 'hardware',
      guest: { via: 'finisher', code: 0, crash: null, reason: null },
      ram: { guestBytes: 64 * 2 ** 20, hostBytes: 32 * 2 ** 20 },
      swap: { backend: 'file', bytes: 0, peakBytes: 0 },
      coverage: { pages: 0, neverSwapped: 0 },
      notifier: { invalidate_range_start: 0 },
      check: { mode: 'off', points: 0, violations: [] },
    });
    expect(report.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('with --no-digest leaves that out of the report', () => {
    expect(jsonOf(umbra('run', HELLO, '--json', '--no-digest').stdout)).toMatchObject({
      outcome: 'pass',
      digest: null,
    });
  });

  it('with --stats prints every counter', () => {
    const { stderr } = umbra('run', HELLO, '--stats');
    expect(stderr).toMatch(/\nexits\n {2}mmuFault +\d+\n/);
    expect(stderr).toMatch(/ {2}pf_taken +\d+\n/);
    expect(stderr).toMatch(/ {2}pswpout +0\n/);
    expect(stderr).toMatch(/ {2}invalidate_range_start +0\n/);
  });
});

describe('a guest that uses more than the host has', () => {
  it('passes, every page of its buffer was out, and equal runs are equal', () => {
    const args = ['run', THRASH, '--ram', '80M', '--host-ram', '16M', '--max-insns', '30000000', '--json'];
    const reports = [[], ['--swap', 'memory'], ['--seed', '1']].map((more) => {
      const report = jsonOf(umbra(...args, ...more).stdout) as Record<string, unknown>;
      return { ...report, seconds: 0, mips: 0 };
    });
    expect(reports[0]).toMatchObject({
      outcome: 'limit',
      instructions: 30_000_000,
      swap: { backend: 'file' },
    });
    expect(reports[0]).toEqual(reports[2]);
    expect(reports[0]).toEqual({ ...reports[1], swap: (reports[0] as { swap?: unknown }).swap });
  });

  it('runs out of memory without swap', () => {
    const { status, stdout } = umbra(
      'run',
      THRASH,
      '--ram',
      '80M',
      '--host-ram',
      '2M',
      '--swap',
      'none',
      '--json',
    );
    expect(status).toBe(3);
    expect(jsonOf(stdout)).toMatchObject({ outcome: 'crash', swap: { backend: 'none' } });
    expect(jsonOf(stdout).message).toMatch(/^out of memory/);
  });

  it('is stopped by a page of swap that cannot be read, with slot and errno', async () => {
    const { start, ended } = await import('./umbra.ts');
    const child = start('run', THRASH, '--ram', '80M', '--host-ram', '1M', '--swap', 'broken', '--json');
    let stdout = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    const cut = setInterval(() => {
      if (existsSync(join(FOLDER, 'broken'))) truncateSync(join(FOLDER, 'broken'), 4096);
    }, 100);
    expect(await ended(child)).toBe(3);
    clearInterval(cut);
    expect(jsonOf(stdout).message).toMatch(/^swap I\/O error: slot \d+ could not be read \(errno 5\)$/);
    expect(readdirSync(FOLDER).filter((name) => name.startsWith('broken'))).toEqual([]);
  });
});

describe('other ends', () => {
  it('failure: exit code 1, the guest’s own value in the report', () => {
    const { status, stdout } = umbra('run', guest('fail.s', finish(0x1234_3333)), '--json');
    expect(status).toBe(1);
    expect(jsonOf(stdout)).toMatchObject({ outcome: 'fail', exitCode: 1, guest: { code: 0x1234 } });
  });

  it('crash: exit code 3', () => {
    const { status, stderr } = umbra('run', guest('crash.s', 'wfi\nj _start'));
    expect(status).toBe(3);
    expect(stderr).toMatch(/^umbra: crash: all harts wait for an interrupt that cannot come; 1 instruction/);
  });

  it('limits: exit code 124', () => {
    const spin = guest('spin.s', SPIN);
    const { status, stderr } = umbra('run', spin, '--max-insns', '123456');
    expect(status).toBe(124);
    expect(stderr).toMatch(/^umbra: the limit of 123456 instructions is reached; 123,456 instructions/);
    const timed = umbra('run', spin, '--seconds', '0.3', '--json');
    expect(timed.status).toBe(124);
    expect(jsonOf(timed.stdout).seconds).toBeGreaterThan(0.29);
    expect(jsonOf(timed.stdout).seconds).toBeLessThan(2);
  });
});

describe('--check and --trace', () => {
  it('look at the invariants, and at every TLB hit', () => {
    const on = jsonOf(umbra('run', HELLO, '--check', '--json').stdout);
    expect(on).toMatchObject({ outcome: 'pass', check: { mode: 'on', violations: [] } });
    expect((on.check as { points: number }).points).toBeGreaterThan(0);
    expect(jsonOf(umbra('run', HELLO, '--check-tlb', '--json').stdout)).toMatchObject({
      outcome: 'pass',
      check: { mode: 'tlb', violations: [] },
    });
  });

  it('write one line of JSON per event', () => {
    expect(umbra('run', HELLO, '--trace', 'events').status).toBe(0);
    const lines = readFileSync(join(FOLDER, 'events'), 'utf8').trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line));
    expect(events.length).toBeGreaterThan(20);
    expect(events.some(({ event }) => event === 'kvm:kvm_page_fault')).toBe(true);
    expect(events.every((event, i) => i === 0 || event.time >= events[i - 1].time)).toBe(true);
  });
});

describe('what a user can get wrong', () => {
  const pass = guest('pass.s', PASS);
  writeFileSync(join(FOLDER, 'text'), 'this is no program');
  mkdirSync(join(FOLDER, 'folder'));

  it.each([
    ['no file', ['run'], "missing required argument 'file'"],
    ['an absent file', ['run', 'nothing'], 'cannot open nothing: no such file or directory'],
    ['a directory', ['run', 'folder'], 'folder is a directory'],
    ['a device', ['run', '/dev/zero'], '/dev/zero is not a regular file'],
    ['no ELF file', ['run', 'text'], 'text: not an ELF file'],
    [
      'too little RAM',
      ['run', THRASH, '--ram', '64M'],
      /thrash.s: segment 0x8[0-9a-f]+..0x84[0-9a-f]+ lies outside RAM 0x80000000..0x84000000$/,
    ],
    [
      'an unknown flag',
      ['run', pass, '--hostram', '1M'],
      "unknown option '--hostram' (Did you mean --host-ram?)",
    ],
    ['an unknown verb', ['rnu', pass], "unknown command 'rnu' (Did you mean run?)"],
    ['two files', ['run', pass, pass], "too many arguments for 'run'. Expected 1 argument but got 2."],
    [
      'a size without sense',
      ['run', pass, '--ram', '64MB'],
      /--ram <size>' argument '64MB' is invalid. A size is digits and K, M or G/,
    ],
    ['a size that is no pages', ['run', pass, '--ram', '5000'], /It must be whole pages of 4K.$/],
    ['a tiny host', ['run', pass, '--host-ram', '64K'], /It must be from 128K to 3G.$/],
    ['a tiny swap', ['run', pass, '--swap-size', '4K'], /It must be from 8K to 8G.$/],
    ['no harts', ['run', pass, '--vcpus', '0'], /It must be a whole number from 1 to 16.$/],
    ['an unknown MMU', ['run', pass, '--mmu', 'x'], /Allowed choices are shadow, tdp.$/],
    ['a swap file that is a directory', ['run', pass, '--swap', 'folder'], 'swap file folder is a directory'],
    [
      'a swap file that is something else',
      ['run', pass, '--swap', 'text'],
      /^umbra: swap file text holds something else/,
    ],
    [
      'a trace into nowhere',
      ['run', pass, '--trace', 'no/where'],
      'cannot create trace file no/where: no such file or directory',
    ],
  ] as [string, string[], string | RegExp][])('%s: one clear line, exit code 2', (_, args, message) => {
    const { status, stdout, stderr } = umbra(...args);
    expect([status, stdout]).toEqual([2, '']);
    if (typeof message === 'string') expect(stderr).toBe(`umbra: ${message}\n`);
    else expect(stderr.trimEnd()).toMatch(message);
    expect(stderr).toMatch(/^umbra: [^\n]+\n$/);
  });

  it('in assembly: place, line and caret', () => {
    const { status, stderr } = umbra('run', guest('bad.s', '  addi a0, a1'));
    expect(status).toBe(2);
    expect(stderr).toMatch(/^umbra: bad.s:3:\d+: error: .*\n {2}addi a0, a1\n +\^\n$/);
  });

  it.each([
    [['run', 'nothing', '--json']],
    [['run', '--json']],
    [['run', '--json', pass, '--ram', 'x']],
    [['run', '--json', pass, '--jsno']],
    [['run', '--json', pass, '--swap', 'folder']],
  ])('with --json it is the one line on stdout: %j', (args) => {
    const { status, stdout, stderr } = umbra(...args);
    expect([status, stderr]).toEqual([2, '']);
    expect(jsonOf(stdout)).toMatchObject({ outcome: 'usage', exitCode: 2, instructions: 0, digest: null });
    expect(jsonOf(stdout).message).not.toBe('');
  });

  it('leaves files alone that it does not use', () => {
    expect(readFileSync(join(FOLDER, 'text'), 'utf8')).toBe('this is no program');
    expect(readdirSync(FOLDER).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });
});

describe('help', () => {
  it('is on stdout and no error', () => {
    const { status, stdout, stderr } = umbra('run', '--help');
    expect([status, stderr]).toEqual([0, '']);
    for (const flag of [
      '--ram',
      '--host-ram',
      '--swap',
      '--swap-size',
      '--vcpus',
      '--mmu',
      '--ad',
      '--seed',
      '--max-insns',
      '--seconds',
      '--check',
      '--check-tlb',
      '--trace',
      '--stats',
      '--json',
    ]) {
      expect(stdout).toContain(`${flag} `);
    }
    expect(umbra('--help').status).toBe(0);
    expect(umbra('--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('is shown, as an error, to whoever gives no verb', () => {
    const { status, stdout, stderr } = umbra();
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: umbra/);
  });
});
