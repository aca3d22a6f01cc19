// Every program of guests/ does what its header says, under both MMUs, with the least host memory and with plenty;
// nothing is broken meanwhile and nothing left behind.
//
// Programs that would take long with the least memory are run smaller there. Everything as it is: matrix.ts, a soak.

import { describe, expect, it } from 'vitest';
import { openSwapFile } from '../../src/platform/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { parseHeader } from './header.ts';
import { guestMatrix, MMUS, playGuestCase, plentyFor, problemsOf, SHOWCASE_HOST_RAM } from './matrix.ts';
import {
  GUEST_FILES,
  GUEST_NAMES,
  type GuestProgram,
  loadGuest,
  type RunOptions,
  runGuest,
  type Smaller,
} from './support.ts';

const MIB = 2 ** 20;

/** Where the least host memory makes it take long. */
const SMALLER: Readonly<Record<string, Smaller>> = {
  processes: {
    equ: { ROUNDS: 1, CHILDREN: 3, DATA_PAGES: 16, HEAP_PAGES: 16, SWAPS: 32 },
    header: { hostRamBytes: 320 * 1024, output: '3 processes\n', instructions: null },
  },
  sieve: {
    equ: { N: 300_000, PRIMES: 25_997, ROUNDS: 1 },
    header: { output: '25997 primes\n', instructions: null },
  },
  thrash: {
    equ: { BUFFER_SIZE: 4 * MIB },
    header: { ramBytes: 6 * MIB, instructions: 203e6 / 16 },
  },
};

/** Behind Sv39 tables: without, both MMUs do the same. */
const PAGED: Readonly<Record<string, Smaller>> = {
  sieve: { ...SMALLER.sieve, equ: { ...SMALLER.sieve!.equ, PAGING: 1 } },
  sort: { equ: { COUNT: 65_536, ROUNDS: 1, PAGING: 1 }, header: { instructions: null } },
};

/** Runs it; all must be well. The instructions that it took. */
function pass(program: GuestProgram, options: RunOptions): number {
  const run = runGuest(program, options);
  expect(problemsOf(program, run)).toEqual([]);
  return run.instructions;
}

describe('headers', () => {
  it('are there, in every file', () => {
    expect(GUEST_FILES.filter((file) => !file.endsWith('.s'))).toEqual([]);
    const wanted = ['harts', 'hello', 'hello-htif', 'kernel', 'processes', 'sieve', 'smc', 'sort', 'thrash'];
    expect(GUEST_NAMES).toEqual(expect.arrayContaining(wanted));
    for (const name of GUEST_NAMES) {
      const { purpose, ramBytes, hostRamBytes, vcpus } = loadGuest(name).header;
      expect(purpose.length).toBeGreaterThan(20);
      expect([ramBytes % PAGE_SIZE, hostRamBytes % PAGE_SIZE]).toEqual([0, 0]);
      expect(vcpus).toBeGreaterThan(0);
    }
  });

  const header = (changes: Readonly<Record<string, string>> = {}): string => {
    const values = {
      purpose: 'to be read',
      ram: '3M',
      'host-ram': '128K',
      vcpus: '2',
      expect: 'exit 7',
      output: '"a\\n"',
      insns: 'about 1.5 thousand',
      ...changes,
    };
    return `${Object.entries(values)
      .map(([key, value]) => `# ${key}: ${value}\n`)
      .join('')}#\n# Prose.\n`;
  };

  it('are read', () => {
    const expected = {
      purpose: 'to be read',
      ramBytes: 3 * MIB,
      hostRamBytes: 128 * 1024,
      vcpus: 2,
      exitCode: 7,
      output: 'a\n',
      instructions: 1500,
      harts: 'work',
    };
    expect(parseHeader(header())).toEqual(expected);
    const waiting = header({ insns: 'about 12, waiting not counted' });
    expect(parseHeader(waiting)).toEqual({ ...expected, instructions: 12, harts: 'wait' });
  });

  it.each([
    ['ram', '3'],
    ['host-ram', '128KB'],
    ['vcpus', 'two'],
    ['expect', 'success'],
    ['output', 'a'],
    ['insns', '12'],
  ])('with a wrong %s are refused', (key, value) => {
    expect(() => parseHeader(header({ [key]: value }))).toThrow(`'${value}' does not match`);
    expect(() => parseHeader(header().replace(`# ${key}:`, '#'))).toThrow(`'# ${key}: ...' is missing`);
  });
});

describe.each(MMUS)('under %s', (mmu) => {
  it.each(GUEST_NAMES)('%s passes with the least host memory and with plenty', (name) => {
    const program = loadGuest(name, SMALLER[name]);
    const { header } = program;
    const executed = pass(program, { mmu });
    const withPlenty = pass(program, { mmu, hostRamBytes: plentyFor(header) });
    if (header.harts === 'work') expect(withPlenty).toBe(executed);
  });

  it.each(Object.keys(PAGED))('%s passes behind page tables of its own', (name) => {
    pass(loadGuest(name, PAGED[name]), { mmu });
  });

  it('the whole sieve passes with plenty of host memory', () => {
    const program = loadGuest('sieve');
    pass(program, { mmu, hostRamBytes: plentyFor(program.header) });
  });

  it('the thrasher passes on four harts', () => {
    pass(loadGuest('thrash', SMALLER.thrash), { mmu, vcpus: 4 });
  });
});

it('the thrasher passes with 64 MiB of buffer on a host with 16 MiB that swaps to a file', async () => {
  const program = loadGuest('thrash');
  const swap = await openSwapFile({ path: null, bytes: 160 * MIB });
  try {
    const run = runGuest(program, { hostRamBytes: SHOWCASE_HOST_RAM, swap, swapBackend: 'file' });
    expect(problemsOf(program, run)).toEqual([]);
    const { coverage, vm } = run.statistics;
    expect(coverage).toEqual({ pages: 16384, neverSwapped: 0 });
    // Each of three passes writes each page once; a page that was only read since then is not written to swap again.
    expect(vm.pswpout).toBeLessThan(3.1 * coverage.pages);
    expect(vm.pswpin).toBeGreaterThan(4 * coverage.pages);
  } finally {
    swap.close();
  }
});

describe('the matrix', () => {
  it('has the showcase and every guest, a case each', () => {
    const matrix = guestMatrix();
    expect(matrix.slice(0, 4).map(({ name, mmu, vcpus }) => `${name} ${mmu} ${vcpus}`)).toEqual([
      'thrash shadow 1',
      'thrash shadow 4',
      'thrash tdp 1',
      'thrash tdp 4',
    ]);
    expect(new Set(matrix.map((each) => JSON.stringify(each))).size).toBe(4 + 4 * GUEST_NAMES.length);
  });

  it('is played case by case', () => {
    const matrix = guestMatrix();
    playGuestCase(matrix.length + matrix.findIndex(({ name }) => name === 'hello'));
  });
});
