// How fast schedules are run: through real mm and kvm code, from the start and back to it each time; and through a
// protocol alone, which says what of it the engine takes.
//
// Per CPU-second of this process, so that a busy computer counts for little. "bare" looks at nothing; locks are checked
// against their order all the same, since they cannot be taken otherwise. "oracle" looks after each step and at the end
// of each run, "search" also remembers every state, as the exhaustive policy does, and "hardware" lets hardware act.

import { join } from 'node:path';
import { loadScenario, type Variant } from '../../src/exploration.ts';

export const EXPLORING_MODES = ['bare', 'oracle', 'search', 'hardware'] as const;
type Mode = (typeof EXPLORING_MODES)[number];

export interface ExploringRate {
  readonly scenario: string;
  readonly mode: Mode;
  /** Schedules a CPU-second. */
  readonly rate: number;
  /** Of all tasks, in a schedule. */
  readonly steps: number;
  /** Of going back to the start, microseconds; wall clock. */
  readonly reset: number;
}

type Explorer = InstanceType<Variant['Explorer']>;

/**
 * Reclaim against a vCPU that stores; a thread that drops a page against two vCPUs that load it; three tasks without a
 * kernel.
 */
const SCENARIOS = ['pageout-warm', 'dontneed', join(import.meta.dirname, 'scenarios/retryProtocol.ts')];
/** A search lasts minutes: what the compiler needs at its start is not its rate. */
const WARM_UP = 8_000;
export const SCHEDULES = 8_000;

export async function measureExploring(onRate: (rate: ExploringRate) => void): Promise<ExploringRate[]> {
  const rates: ExploringRate[] = [];
  for (const scenario of SCENARIOS) {
    const variant = await loadScenario(scenario);
    for (const mode of EXPLORING_MODES) {
      const explorer = new variant.Explorer(variant.scenario);
      explorer.looks = mode !== 'bare';
      runAll(variant, explorer, mode, WARM_UP);
      const rate = { scenario: variant.scenario.name, mode, ...timed(variant, explorer, mode) };
      onRate(rate);
      rates.push(rate);
    }
  }
  return rates;
}

function timed(variant: Variant, explorer: Explorer, mode: Mode) {
  let resetTime = 0n;
  let steps = 0;
  const reset = explorer.reset.bind(explorer);
  explorer.reset = () => {
    steps += explorer.steering.passed;
    const before = process.hrtime.bigint();
    reset();
    resetTime += process.hrtime.bigint() - before;
  };
  const before = process.cpuUsage();
  const schedules = runAll(variant, explorer, mode, SCHEDULES);
  const { user, system } = process.cpuUsage(before);
  return {
    rate: schedules / ((user + system) / 1e6),
    steps: steps / schedules,
    reset: Number(resetTime) / schedules / 1000,
  };
}

/** The number of runs: the exhaustive search may be over before. */
function runAll(variant: Variant, explorer: Explorer, mode: Mode, schedules: number): number {
  const isSearch = mode === 'search' || mode === 'hardware';
  const search = new variant.Search(explorer, {
    policy: isSearch ? 'bounded' : 'random',
    bound: 2,
    seed: 1,
    schedules,
    hardware: mode === 'hardware' ? 3 : 0,
  });
  search.step(() => false);
  return search.state.schedules;
}
