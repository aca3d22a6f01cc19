// umbra mm, as a process.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FOLDER, shell, umbra } from './umbra.ts';

const SCRIPT = 'mmap 3 2 rw- anon 0\nw 4 16 7\nr 4 16\nr 9 16\nfork c1\nexit c1\n';
const NO_PAGES = '.'.repeat(64);
const STATE = (pages: string) =>
  `"vmas":[[3,2,"rw-","p","anon",0,""]],"pages":"${`...${pages}`.padEnd(64, '.')}"}`;
const EXPECTED = [
  `{"i":0,"proc":"0","op":"mmap 3 2 rw- anon 0","ret":0,"err":"OK",${STATE('--')}`,
  `{"i":1,"proc":"0","op":"w 4 16 7","flt":1,${STATE('-A')}`,
  `{"i":2,"proc":"0","op":"r 4 16","val":7,"flt":0,${STATE('-A')}`,
  `{"i":3,"proc":"0","op":"r 9 16","sig":"SEGV","code":"MAPERR",${STATE('-A')}`,
  `{"i":4,"proc":"0","op":"fork c1","child":{"i":4,"proc":"c1","op":"state",${STATE('-a')},${STATE('-a')}`,
  `{"i":5,"proc":"0","op":"exit c1","status":0,${STATE('-A')}`,
].join('\n');

function script(name: string, text: string): string {
  writeFileSync(join(FOLDER, name), text);
  return name;
}

describe('umbra mm', () => {
  it('prints the answers of one script', () => {
    const run = umbra('mm', script('one.mm', SCRIPT));
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout.trimEnd().split('\n')).toEqual(EXPECTED.split('\n'));
  });

  it('reads standard input', () => {
    const run = shell(`printf 'dump\\n' | $U mm - --host-ram 1M --swap-size 0`);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(run.stdout)).toEqual({
      i: 0,
      proc: '0',
      op: 'dump',
      data: Array.from({ length: 64 }, () => '----').join(' '),
      vmas: [],
      pages: NO_PAGES,
    });
  });

  it('writes a file for each of several, and nothing for one that is wrong', () => {
    const files = [script('a.mm', SCRIPT), script('b.mm', 'dump\nfrob 1\n'), script('c.mm', 'dump\n')];
    const run = umbra('mm', ...files, '--out', 'new/folder');
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toMatch(/^umbra: b\.mm:2:1: operation: 'frob' is none of [^\n]*\n$/);
    const written = (name: string): string => join(FOLDER, 'new/folder', name);
    expect(readFileSync(written('a.out'), 'utf8')).toBe(`${EXPECTED}\n`);
    expect(existsSync(written('b.out'))).toBe(false);
    expect(readFileSync(written('c.out'), 'utf8').split('\n').length).toBe(2);
  });

  it.each([
    ['several scripts and no folder', ['one.mm', 'a.mm'], 'several scripts need --out <folder>'],
    ['two scripts of one name', ['one.mm', './one.mm', '--out', 'x'], 'two scripts would write one.out'],
    ['a script that is not there', ['none.mm'], 'cannot open none.mm'],
    ['a host that is too small', ['one.mm', '--host-ram', '64K'], 'It must be from 256K to 1G'],
  ])('%s: one clear line, exit code 2', (_, args, message) => {
    const { status, stdout, stderr } = umbra('mm', ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^umbra: [^\n]*\n$/);
    expect(stderr).toContain(message);
  });

  it('runs out of memory as a process does', () => {
    const lines = ['mmap 0 1000 rw- anon 0', 'fill 0 1000 1', 'r 0 16', 'fork c1', 'dump'];
    const run = umbra('mm', script('oom.mm', lines.join('\n')), '--host-ram', '1M', '--swap-size', '0');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const records = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records[1]).toMatchObject({ sig: 'KILL' });
    expect(records.length).toBe(5);
  });
});
