// Equal inputs and seed give an equal run, event by event and to the last byte: however it is sliced, whatever of it was
// translated, and whoever looks on.
//
// Each guest runs with so little host memory that it swaps, made smaller where it would take long.

import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/sched/index.ts';
import { MMUS } from './matrix.ts';
import { GUEST_NAMES, type GuestRun, loadGuest, type RunOptions, runGuest, type Smaller } from './support.ts';

const KIB = 2 ** 10;

const SMALLER: Readonly<Record<string, Smaller>> = {
  harts: { equ: { ROUNDS: 1000, LOCKED: 100, HANDOFFS: 5 } },
  kernel: { equ: { CHURN_STEPS: 8 } },
  processes: {
    equ: { ROUNDS: 1, CHILDREN: 3 },
    header: { hostRamBytes: 320 * KIB, output: '3 processes\n', instructions: null },
  },
  sieve: { equ: { N: 100_000, PRIMES: 9592, ROUNDS: 1 }, header: { output: '9592 primes\n' } },
  smc: { equ: { ROUNDS: 20, CODE_PAGES: 40 } },
  sort: { equ: { COUNT: 32_768, ROUNDS: 1 } },
  thrash: {
    equ: { BUFFER_SIZE: 512 * KIB, PASSES: 1 },
    header: { ramBytes: 2048 * KIB, hostRamBytes: 320 * KIB, vcpus: 2, output: '.\n' },
  },
};
const load = (name: string) => loadGuest(name, SMALLER[name]);

/** Everything that a user could see differ between two runs. */
const resultOf = ({ machine, stop, text, instructions, statistics, digest }: GuestRun) => ({
  stop,
  text,
  instructions,
  statistics,
  digest,
  check: { points: machine.check.points, violations: machine.check.violations },
  steps: machine.sched.steps,
});

/** True once in about `length` calls: for slices of random length. */
const randomSlices = (length: number) => {
  const random = new Random(length);
  return () => random.below(length) === 0;
};

const WAYS: readonly [string, RunOptions][] = [
  ['again', {}],
  ['one scheduler step at a time', { isOver: () => true }],
  ['in the interpreter alone, in random slices', { translate: false, isOver: randomSlices(100) }],
];

/** Of translated code; kernels run through so much of it that fewer would be translated again all the time. */
const keptUnitsFor = (name: string): number => (name === 'kernel' || name === 'processes' ? 24 : 2);

/** The others run without tables of their own, for which both MMUs do the same. */
const PAGED: ReadonlySet<string> = new Set(['kernel', 'processes']);

describe.each(
  MMUS.flatMap((mmu) =>
    GUEST_NAMES.filter((name) => mmu === 'shadow' || PAGED.has(name)).map((name) => [name, mmu] as const),
  ),
)('%s under %s', (name, mmu) => {
  const isTiny = name.startsWith('hello');
  const run = (options: RunOptions = {}) => runGuest(load(name), { mmu, ...options });
  let first: ReturnType<typeof resultOf>;
  beforeAll(() => {
    first = resultOf(run());
  });

  it('passes', () => {
    expect(first).toMatchObject({
      stop: { code: 0, crash: null },
      text: load(name).header.output,
      check: { violations: [] },
    });
    if (!isTiny) expect(first.statistics.vm.pswpout).toBeGreaterThan(0);
  });

  it.each(WAYS)('is the same %s', (_, options) => {
    expect(resultOf(run(options))).toEqual(first);
  });

  it('is the same with all code translated at once and hardly any kept, in random slices', () => {
    const hasty = run({ keptUnits: keptUnitsFor(name), isOver: randomSlices(20) });
    expect(resultOf(hasty)).toEqual(first);
    if (!isTiny) expect(hasty.translated).toBeGreaterThan(first.instructions / 4);
  });

  it('is the same whether anybody checks it or not', () => {
    const { check: _, ...unchecked } = resultOf(run({ check: 'off' }));
    expect(first).toMatchObject(unchecked);
  });
});

describe('the digest', () => {
  const digest = (name: string, options: RunOptions = {}): string => runGuest(load(name), options).digest;

  it.each([
    ['harts', {}],
    ['thrash', { vcpus: 3 }],
  ])('of %s on several harts changes with the seed', (name, options) => {
    const digests = [1, 2, 3].map((seed) => digest(name, { ...options, seed }));
    expect(new Set(digests).size).toBe(3);
  });

  it('tells the MMUs apart, and how much memory the host has', () => {
    const { hostRamBytes } = load('kernel').header;
    const digests = [{}, { mmu: 'tdp' as const }, { hostRamBytes: 2 * hostRamBytes }].map((options) =>
      digest('kernel', options),
    );
    expect(new Set(digests).size).toBe(3);
  });

  it('is the same when every TLB hit is walked again', () => {
    expect(digest('kernel', { check: 'tlb' })).toBe(digest('kernel'));
    expect(digest('kernel', { check: 'tlb', mmu: 'tdp' })).toBe(digest('kernel', { mmu: 'tdp' }));
  });
});
