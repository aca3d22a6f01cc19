// What the notifiers' sites in mm/ cost whoever has none registered: each workload on the sources as they are, against the
// same sources with the sites cut out of the text.
//
// The sources are measured against themselves as well. Where even that finds a difference, the measurement says nothing.

import { Random } from '../../src/sched/index.ts';
import { build } from './builds.ts';
import { type Interval, medianInterval, timeRounds } from './pairs.ts';

/** Of each build. */
const INSTANCES = 11;
/** Until the compiler has done what it will do. */
const WARM_UP = 600;
const ROUNDS = 400;
/** What no cost is: the upper end of the interval is at most this. */
const LIMIT = 1.01;

const RANGE = /^ *const range = [^;]*mmuNotifierRangeInit\([\s\S]*?;\n/gm;
const USE_OF_RANGE = /^ *if \(range !== null.*;\n/gm;
const CHECK = /[\w.]+\.notifierSubscriptions ([!=])== null/g;

export interface SiteCost {
  readonly workload: string;
  /** The sources against themselves. */
  readonly control: Interval;
  /** With the sites through without. */
  readonly ratio: Interval;
  readonly verdict: 'none' | 'some' | 'inconclusive';
}

export interface SiteCosts {
  readonly sites: number;
  readonly costs: readonly SiteCost[];
}

type Workloads = typeof import('./hostWorkloads.ts');

let sites = 0;

function withoutSites(text: string, path: string): string | null {
  if (!/\/src\/mm\//.test(path)) return null;
  const count = (): string => {
    sites++;
    return '';
  };
  return text
    .replace(RANGE, count)
    .replace(USE_OF_RANGE, '')
    .replace(CHECK, (_, operator: string) => {
      sites++;
      return String(operator === '=');
    });
}

/** Tells `onCost` of each workload when it is done; scratch files go to `folder`. */
export async function measureNotifierSites(
  folder: string,
  onCost: (cost: SiteCost) => void,
): Promise<SiteCosts> {
  sites = 0;
  const loaded: Record<string, Workloads[]> = { with: [], without: [], same: [] };
  for (let instance = 0; instance < INSTANCES; instance++) {
    for (const [name, modules] of Object.entries(loaded)) {
      const edit = name === 'without' ? withoutSites : asTheyAre;
      modules.push(await build(folder, `${name}-${instance}`, 'test/bench/hostWorkloads.ts', edit));
    }
  }
  const costs = Object.keys(loaded.with![0]!.WORKLOADS).map((workload) => {
    const cost = measureWorkload(workload, loaded);
    onCost(cost);
    return cost;
  });
  return { sites: sites / INSTANCES, costs };
}

const asTheyAre = (): null => null;

function measureWorkload(workload: string, loaded: Readonly<Record<string, readonly Workloads[]>>): SiteCost {
  const random = new Random(1);
  const sides = ['with', 'without', 'same'].map((name) =>
    loaded[name]!.map(({ WORKLOADS }) => WORKLOADS[workload]!()),
  );
  timeRounds(sides, WARM_UP, random);
  const times = timeRounds(sides, ROUNDS, random);
  const control = medianInterval(times.map(([measured, , same]) => same! / measured!));
  const ratio = medianInterval(times.map(([measured, without]) => measured! / without!));
  return { workload, control, ratio, verdict: verdictOf(control, ratio) };
}

function verdictOf(control: Interval, ratio: Interval): SiteCost['verdict'] {
  if (control.high > LIMIT || control.low < 1 / LIMIT) return 'inconclusive';
  return ratio.high <= LIMIT ? 'none' : 'some';
}
