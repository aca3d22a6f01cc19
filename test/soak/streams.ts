// The soak `streams`: random instruction streams as guests, on a tiny host that swaps, through the real machine.
//
// A stream runs in the interpreter, with a translator, or once each way with different slices and different canaries in
// free frames; then both results must be the same.

import { Random } from '../../src/sched/index.ts';
import { between, pick } from './instructionMix.ts';
import type { Soak } from './soak.ts';
import { randomStream, runStream, type StreamResult } from './stream.ts';

/** How a way cuts runs: into a few instructions, as translated code can be entered, or not at all. */
const CUTS = [
  [1, 40],
  [20, 300],
  [300, 900],
  [2 ** 30, 2 ** 30],
] as const;

function slices(random: Random, translate: boolean): () => number {
  const [from, to] = pick(random, translate ? CUTS.slice(2) : CUTS);
  return () => between(random, from, to);
}

const canaryOf = (random: Random): bigint => (BigInt(random.next()) << 32n) | BigInt(random.next());

const VM_COUNTERS = ['pswpin', 'pswpout', 'pgmajfault'];
const KVM_COUNTERS = [
  'mmio_exits',
  'mmu_flooded',
  'mmu_pte_write',
  'mmu_recycled',
  'mmu_shadow_zapped',
  'pf_emulate',
  'pf_guest',
  'pf_mmu_retry',
  'tlb_flush',
];

/** What the streams so far have come to. */
class Coverage {
  readonly #counts = new Map<string, number>();

  add(kind: string, count: number): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
  }

  take({ stop, translated, machine, statistics, enclosure }: StreamResult): void {
    this.add(`end:${stop.via ?? stop.crash?.replace(/.*: |[,:].*| that.*/g, '') ?? 'limit'}`, 1);
    const { exits, vm, kvm } = statistics;
    for (const [name, count] of Object.entries(exits)) this.add(`exit:${name}`, count);
    for (const name of VM_COUNTERS) this.add(name, vm[name]!);
    for (const name of KVM_COUNTERS) this.add(name, kvm[name]!);
    this.add('slices', enclosure.slices);
    this.add('accessedDirty', enclosure.accessedDirty);
    this.add('instructions', machine.instructions);
    this.add('translated', translated);
    for (const { retired, attempted } of machine.harts) this.add('traps', attempted - retired);
  }

  toString(): string {
    return [...this.#counts]
      .sort()
      .map(([kind, count]) => `${kind}=${count}`)
      .join(' ');
  }
}

/** Runs the stream of that seed one way, or both and compares. */
export function playStream(seed: number): readonly StreamResult[] {
  const random = new Random(seed);
  const stream = randomStream(random);
  const dice = random.below(6);
  const ways = dice < 2 ? [false, true] : [dice < 4];
  const results = ways.map((translate) =>
    runStream(stream, { translate, canary: canaryOf(random), slice: slices(random, translate) }),
  );
  const [first, second = first] = results;
  if (first!.digest !== second!.digest) throw new Error('the translator or a canary made a difference');
  return results;
}

export function streams(): Soak {
  const coverage = new Coverage();
  return {
    caseSize: 1,
    play: (seed) => {
      for (const result of playStream(seed)) coverage.take(result);
    },
    coverage: () => coverage.toString(),
  };
}
