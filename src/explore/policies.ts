// The policies of exploration: the one table from which the search, the command, its help and its reports take what they
// must know of each.

/** How a policy goes on: through levels of ever more pre-emptions or delays; all schedules at once; or it draws some. */
type Course = 'levels' | 'whole' | 'drawn';

interface Policy {
  readonly course: Course;
  /** What a bound counts, as people call it; null: there is no bound. */
  readonly unit: 'pre-emption' | 'delay' | null;
  /** Its schedules can be dealt out to shards and processes. */
  readonly isCut: boolean;
  /** Hardware acts on its own. */
  readonly hasHardware: boolean;
  readonly about: string;
}

const LEVELS = { course: 'levels', isCut: true, hasHardware: true } as const;
const WHOLE = { course: 'whole', unit: null } as const;
const DRAWN = { course: 'drawn', unit: null, isCut: true, hasHardware: true } as const;

export const POLICIES = {
  bounded: {
    ...LEVELS,
    unit: 'pre-emption',
    about:
      'every schedule with at most so many pre-emptions, 0, 1, ... in turn; what is found first has the fewest. ' +
      'States that were gone on from are remembered. A pre-emption takes the CPU from a task that could go on; where ' +
      'one blocks, yields or ends, whoever comes next is free.',
  },
  delay: {
    ...LEVELS,
    unit: 'delay',
    about:
      'the same for delays: the CPU goes round in a queue, and to pass somebody over costs one. A quick first pass.',
  },
  dfs: {
    ...WHOLE,
    isCut: true,
    hasHardware: true,
    about: 'every schedule there is; states that were gone on from are remembered.',
  },
  sleep: {
    ...WHOLE,
    isCut: false,
    hasHardware: false,
    about:
      'every schedule there is, by sleep sets instead of remembered states, without hardware on its own: an ' +
      'independent check of the others, for small scenarios.',
  },
  dpor: {
    ...WHOLE,
    isCut: false,
    hasHardware: true,
    about:
      'every schedule there is, by Source-DPOR with sleep sets: only orders of what does not commute, found by turning ' +
      'races round, and no remembered states. Hardware as with dfs.',
  },
  pos: {
    ...DRAWN,
    about:
      'drawn: each access that is due has a random priority, drawn anew when something that it depends on was done. ' +
      'Finds most bugs in the fewest schedules.',
  },
  pct: { ...DRAWN, about: 'drawn: random priorities of tasks, which fall at a few random moments.' },
  random: { ...DRAWN, about: 'drawn: anybody, at every moment.' },
} as const satisfies Readonly<Record<string, Policy>>;

export type PolicyName = keyof typeof POLICIES;

/** In the order of the table. */
export const POLICY_NAMES = Object.keys(POLICIES) as readonly PolicyName[];

/** Most actions of hardware in a schedule, unless somebody says otherwise. */
export const DEFAULT_HARDWARE = 3;

/** Whether a search by the policy ends by itself, when nothing is left. */
export const isExhaustive = (policy: PolicyName): boolean => POLICIES[policy].course !== 'drawn';

/** All schedules with at most so many pre-emptions (or delays) and actions of hardware. */
export interface Level {
  readonly bound: number;
  readonly hardware: number;
}

/** The levels of a search, in the order in which they are gone through. A policy without a bound has one. */
export function levelsOf(policy: PolicyName, bound: number, hardware = DEFAULT_HARDWARE): Level[] {
  const { course, hasHardware } = POLICIES[policy];
  const actions = hasHardware ? hardware : 0;
  if (course !== 'levels') return [{ bound: 0, hardware: actions }];
  const mosts = actions === 0 ? [0] : [0, actions];
  return Array.from({ length: bound + 1 }, (_, each) =>
    mosts.map((most) => ({ bound: each, hardware: most })),
  ).flat();
}
