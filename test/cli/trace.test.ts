// umbra trace and umbra report, as processes: formats, what goes to which stream, filters, histograms, mistakes.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FOLDER, guest, PASS, ROOT, shell, umbra } from './umbra.ts';

const HELLO = join(ROOT, 'guests/hello.s');
const inFolder = (name: string): string => join(FOLDER, name);

describe('umbra trace', () => {
  it('prints ftrace text; the guest prints on the other stream', () => {
    const { status, stdout, stderr } = umbra('trace', '-e', 'kvm:*', '--', 'run', HELLO);
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('# tracer: nop');
    const events = lines.filter((line) => !line.startsWith('#'));
    expect(events[0]).toMatch(
      /^ {10}vcpu\/0-\d+ {6} \[000\] \.{5} {5}0\.000000: kvm_entry: PC: 0x0000000080000000$/,
    );
    expect(events.filter((line) => !/: kvm_\w+: /.test(line))).toEqual([]);
    expect(stderr).toMatch(/^hello, world\numbra: pass; /);
  });

  it.each([
    ['t.dat', (bytes: Buffer) => bytes.subarray(0, 10).toString('latin1') === '\x17\x08Dtracing'],
    ['t.json', (bytes: Buffer) => JSON.parse(bytes.toString()).traceEvents.length > 50],
    ['t.pftrace', (bytes: Buffer) => bytes[0] === 0x0a && bytes.length > 1000],
    [
      't.jsonl',
      (bytes: Buffer) => JSON.parse(bytes.toString().split('\n')[0]!).event === 'sched:sched_switch',
    ],
    ['t.txt', (bytes: Buffer) => bytes.toString().startsWith('# tracer: nop\n')],
  ])('-o %s writes in the format of the suffix', (name, isRight) => {
    expect(umbra('trace', '-o', name, '--', 'run', HELLO)).toMatchObject({
      status: 0,
      stdout: 'hello, world\n',
    });
    expect(isRight(readFileSync(inFolder(name)))).toBe(true);
  });

  it('is deterministic', () => {
    const trace = (): string => umbra('trace', '--', 'run', HELLO).stdout;
    expect(trace()).toBe(trace());
  });

  it('filters the event before -f, or all', () => {
    const eventsOf = (...args: string[]): string[] =>
      umbra('trace', ...args, '--format', 'json', '--', 'run', HELLO)
        .stdout.trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).event);
    const writes = eventsOf('-e', 'kvm_mmio', '-f', 'type == write && len == 1', '-e', 'kvm_userspace_exit');
    expect(writes.filter((event) => event === 'kvm:kvm_mmio')).toHaveLength('hello, world\n'.length);
    expect(new Set(writes)).toEqual(new Set(['kvm:kvm_mmio', 'kvm:kvm_userspace_exit']));
    expect(new Set(eventsOf('-f', 'gpa == 0x10000000'))).toEqual(new Set(['kvm:kvm_mmio']));
  });

  it('keeps to the chosen events beside a report in JSON, whose digest is one of all', () => {
    const { stdout } = umbra('trace', '-e', 'kvm_entry', '-o', 'j.txt', '--', 'run', HELLO, '--json');
    expect(readFileSync(inFolder('j.txt'), 'utf8')).not.toContain('kvm_exit');
    expect(JSON.parse(stdout).digest).toBe(JSON.parse(umbra('run', HELLO, '--json').stdout).digest);
  });

  it('lists the events', () => {
    const { stdout } = umbra('trace', '-l', '-e', 'tlb', '-e', 'kvm:*hva*');
    expect(stdout).toBe('kvm:kvm_unmap_hva_range\nkvm:kvm_age_hva\nkvm:kvm_test_age_hva\ntlb:tlb_flush\n');
  });

  it('traces scripts of system calls, one at a time', () => {
    writeFileSync(inFolder('a.mm'), 'mmap 16 4 rw- anon 0\nw 16 16 5\n');
    const traced = umbra('trace', '-e', 'exceptions', '--', 'mm', 'a.mm');
    expect(traced.stdout).toMatch(/: page_fault_user: address=0x[0-9a-f]+ ip=0x0 error_code=0x6\n/);
    expect(traced.stderr).toBe(umbra('mm', 'a.mm').stdout);
    expect(umbra('trace', '--', 'mm', 'a.mm', 'b.mm', '--out', 'o').stderr).toBe(
      'umbra: one script at a time can be traced\n',
    );
  });

  it('ends as the verb that it traces', () => {
    guest('seven.s', 'li t0, 0x100000\nli t1, 0x73333\nsw t1, 0(t0)\n1: j 1b');
    expect(umbra('trace', '-o', 's.txt', '--', 'run', 'seven.s').status).toBe(1);
    expect(umbra('trace', '-o', 's.txt', '--', 'run', 'missing.s')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^umbra: cannot open missing\.s: [^\n]*\n$/),
    });
  });

  it('survives a reader that goes away', () => {
    const { status, stderr } = shell(`set -o pipefail; $U trace -- run ${HELLO} | head -1 >/dev/null`);
    expect([0, 141]).toContain(status);
    expect(stderr).not.toContain('bug');
  });

  it.each([
    [['trace'], /what shall be run\?/],
    [['trace', '--', 'rum', 'x.s'], /rum cannot be observed; is it run\?/],
    [['trace', '-e', 'kvm_exti', '--', 'run', HELLO], /no event is named kvm_exti; is it kvm_exit\?/],
    [['trace', '-f', 'gfn', '--', 'run', HELLO], /filter 'gfn': expected an operator/],
    [['trace', '--format', 'xml', '--', 'run', HELLO], /'xml' is invalid\. Allowed choices are ftrace, dat,/],
    [['trace', '-o', 'no/such/x.dat', '--', 'run', HELLO], /cannot create trace file/],
    [['trace', '--', 'run', HELLO, '--rma', '4M'], /unknown option '--rma'/],
    [['trace', '--', 'run', HELLO, '--json'], /standard output is taken: no room for the report of --json/],
    [['report', 'missing.dat'], /cannot open missing\.dat/],
  ])('%o is answered in one line', (args, message) => {
    const { status, stdout, stderr } = umbra(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^umbra: [^\n]*\n$/);
    expect(stderr).toMatch(message);
  });
});

describe('umbra report', () => {
  guest('pass.s', PASS);
  umbra('trace', '-o', 'r.dat', '--', 'run', HELLO);

  it('prints as trace-cmd does', () => {
    const lines = umbra('report', 'r.dat').stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('cpus=1');
    expect(lines.filter((line) => / kvm_entry: /.test(line))[0]).toMatch(
      /^ {10}vcpu\/0-\d+ {4} \[000\] {5}0\.000000: kvm_entry: {12}PC: 0x0000000080000000$/,
    );
  });

  it('filters as trace-cmd does', () => {
    const count = (...args: string[]): number =>
      umbra('report', 'r.dat', ...args).stdout.split('\n').length - 2;
    const writes = count('-F', 'kvm/kvm_mmio: type == write && len == 1');
    expect(writes).toBe('hello, world\n'.length);
    expect(count('-F', 'kvm_mmio: type == write', '-F', 'kvm_mmio: type == read')).toBe(2 * writes + 1);
    expect(count('-F', 'len == 1 && type != "unsatisfied-read"')).toBe(2 * writes);
  });

  it('counts the values of a field', () => {
    const { stdout } = umbra('report', 'r.dat', '--hist', 'type');
    expect(stdout.split('\n').toSorted()).toEqual([
      '',
      '            read  hitcount: 13',
      '           write  hitcount: 14',
      'unsatisfied-read  hitcount: 13',
    ]);
    expect(umbra('report', 'r.dat', '--hist', 'nothing').stderr).toBe(
      'umbra: no event has a field nothing\n',
    );
  });

  it('says what is wrong with a file', () => {
    writeFileSync(inFolder('bad.dat'), 'no trace');
    expect(umbra('report', 'bad.dat')).toMatchObject({
      status: 2,
      stderr: 'umbra: cannot read bad.dat: it is cut off\n',
    });
    writeFileSync(inFolder('cut.dat'), readFileSync(inFolder('r.dat')).subarray(0, 20_000));
    expect(umbra('report', 'cut.dat').stderr).toBe('umbra: cannot read cut.dat: it is cut off\n');
  });
});
