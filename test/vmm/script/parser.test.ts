// The script language: what a line may say, and what it is told when it may not.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseScript, ScriptError } from '../../../src/vmm/index.ts';
import { readRecordings } from '../../conformance/mm/recorded.ts';

const only = (line: string) => parseScript(`${line}\n`, 'x.mm')[0]!;

function complaint(script: string): string {
  try {
    parseScript(script, 'x.mm');
  } catch (error) {
    if (error instanceof ScriptError) return error.message;
    throw error;
  }
  return 'none';
}

describe('a line', () => {
  it('is an operation of process 0, or of a child', () => {
    const [fork, load] = parseScript('fork c1\n@c1 r 3 16\n', 'x.mm');
    expect(fork).toEqual({ proc: '0', operation: { kind: 'fork', child: 'c1' }, text: 'fork c1' });
    expect(load).toEqual({ proc: 'c1', operation: { kind: 'r', page: 3, at: 16 }, text: 'r 3 16' });
  });

  it('may be empty, a comment, or end in one; blanks do not matter', () => {
    const steps = parseScript('# seed 1\n\n  r   1\t16  # why\r\n', 'x.mm');
    expect(steps.map(({ text }) => text)).toEqual(['r 1 16']);
  });

  it('of mmap has everything in it', () => {
    expect(only('mmap 9 4 r-x sf1 7 norsv locked').operation).toEqual({
      kind: 'mmap',
      page: 9,
      pages: 4,
      prot: 5,
      object: { file: 1, shared: true },
      offset: 7,
      modes: { populate: false, norsv: true, locked: true, noreplace: false },
    });
  });

  it('of mremap may say where to, and that the source stays', () => {
    expect(only('mremap 1 2 3').operation).toMatchObject({ to: null, dontunmap: false });
    expect(only('mremap 1 2 2 to 9 dontunmap').operation).toMatchObject({ to: 9, dontunmap: true });
    expect(only('mremap 1 2 2 dontunmap').operation).toMatchObject({ to: null, dontunmap: true });
  });

  it('of the recordings is understood, each of them', () => {
    for (const { name, script, golden } of readRecordings()) {
      const steps = parseScript(script, name);
      const recorded = golden.map((line) => JSON.parse(line) as { proc: string; op: string });
      expect(steps.map(({ proc, text }) => [proc, text])).toEqual(recorded.map(({ proc, op }) => [proc, op]));
    }
  });
});

describe('a mistake', () => {
  it.each([
    ['frob 1 2', "1:1: operation: 'frob' is none of mmap, munmap,"],
    ['r 1', '1:4: offset in the page is missing'],
    ['r 1 16 3', "1:8: '3' is too much"],
    ['r 64 16', "1:3: page: '64' is no whole number from 0 to 63"],
    ['r -1 16', "1:3: page: '-1' is no whole number"],
    ['r 1 4096', "1:5: offset in the page: '4096' is no whole number from 0 to 4095"],
    ['w 1 1 256', "1:7: byte: '256' is no whole number from 0 to 255"],
    ['w 1 1 0x1', "1:7: byte: '0x1' is no whole number"],
    ['munmap 1 99999', "1:10: number of pages: '99999' is no whole number"],
    ['mprotect 1 1 wr-', "1:14: 'wr-' is no protection like rw-"],
    ['mmap 1 1 rw- anon', '1:18: page of the file is missing'],
    ['mmap 1 1 rw- pf2 0', "1:14: object: 'pf2' is none of anon, shanon"],
    ['mmap 1 1 rw- anon 0 fast', "1:21: mode: 'fast' is none of populate"],
    ['mmap 1 1 rw- anon 0 locked locked', "1:28: 'locked' is there already"],
    ['mremap 1 1 1 to', '1:16: page is missing'],
    ['madvise 1 1 HUGEPAGE', "1:13: advice: 'HUGEPAGE' is none of NORMAL"],
    ['msync 1 1 now', "1:11: mode: 'now' is none of sync"],
    ['fw 2 0 0 0', "1:4: file: '2' is no whole number from 0 to 1"],
    ['@c1 r 1 16', "1:1: there is no child 'c1' now"],
    ['exit c1', "1:6: there is no child 'c1' now"],
    ['fork 1', "1:6: '1' is no name of a child"],
    ['@', "1:1: '@' is no process"],
    ['fork c1\nfork c1', "2:6: there is a child 'c1' already"],
    ['fork c1\n@c1', '2:4: operation is missing'],
    ['fork c1\n@c1 exit c1', '2:10: children are ended by process 0'],
    ['fork c1\nexit c1\n@c1 dump', "3:1: there is no child 'c1' now"],
    ['\n  # fine\n\tr 1 16 # so far\n  dump it', "4:8: 'it' is too much"],
  ])('%j', (script, message) => {
    expect(complaint(script)).toContain(`x.mm:${message}`);
  });

  it('is quoted so that no terminal obeys it, and not at length', () => {
    expect(complaint('\u001b[2J')).toMatch(/^x\.mm:1:1: operation: '\?\[2J' is none of/);
    expect(complaint('x'.repeat(5000)).length).toBeLessThan(400);
  });

  it('is the only thing that can happen to whatever text there is', () => {
    const words = [
      'mmap',
      'r',
      'fork',
      'c1',
      '@c1',
      'rw-',
      'anon',
      '0',
      '16',
      '63',
      '64',
      '#',
      'to',
      'exit',
      '@',
    ];
    const line = fc.array(fc.oneof(fc.constantFrom(...words), fc.string()), { maxLength: 8 });
    const text = fc.array(line, { maxLength: 5 }).map((lines) => lines.map((w) => w.join(' ')).join('\n'));
    fc.assert(
      fc.property(text, (script) => {
        expect(complaint(script)).toMatch(/^(none|x\.mm:\d+:\d+: .+)$/);
      }),
      { numRuns: 500 },
    );
  });
});
