// umbra asm, as a process.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FOLDER, guest, PASS, umbra } from './umbra.ts';

describe('umbra asm', () => {
  it('writes a program that runs', () => {
    const source = guest('one.s', PASS);
    expect(umbra('asm', source, '-o', 'two.bin')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(umbra('run', 'two.bin').status).toBe(0);
  });

  it('names the program after the source', () => {
    expect(umbra('asm', guest('named.S', PASS)).status).toBe(0);
    expect(existsSync(join(FOLDER, 'named.elf'))).toBe(true);
  });

  it('writes nothing when the source is wrong', () => {
    const { status, stderr } = umbra('asm', guest('wrong.s', 'frobnicate'));
    expect(status).toBe(2);
    expect(stderr).toMatch(/^umbra: wrong.s:3:1: error: unknown instruction 'frobnicate'\n/);
    expect(existsSync(join(FOLDER, 'wrong.elf'))).toBe(false);
  });

  it('says what it cannot write', () => {
    mkdirSync(join(FOLDER, 'taken'));
    const { status, stderr } = umbra('asm', guest('three.s', PASS), '-o', 'taken');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^umbra: cannot write taken: [^\n]*directory[^\n]*\n$/);
  });
});
