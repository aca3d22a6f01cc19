// Production passes the standing scenarios, in a few schedules of each: the rest is for `npm run mutants` and
// `umbra museum --check`.

import { beforeAll, expect, it } from 'vitest';
import { scenarioNames } from '../src/exploration.ts';
import type * as Explore from '../src/explore/index.ts';
import type { Scenario, SearchOptions } from '../src/explore/index.ts';
import { loadVariant } from '../src/loader/index.ts';

type Variant = typeof Explore & { readonly scenarios: readonly Scenario[] };

const names = scenarioNames();
let variant: Variant;

beforeAll(async () => {
  const entry = [
    "export * from './explore/index.ts';",
    ...names.map((name, i) => `import { scenario as scenario${i} } from './scenarios/${name}.ts';`),
    `export const scenarios = [${names.map((_, i) => `scenario${i}`).join(', ')}];`,
  ].join('\n');
  variant = await loadVariant<Variant>({ entry });
});

const SEARCHES: readonly SearchOptions[] = [
  { policy: 'bounded', bound: 1, hardware: 0, seed: 1, schedules: 4 },
  { policy: 'pos', bound: 0, seed: 1, schedules: 8 },
];
/** Runs that move 2 MiB take their time. */
const LARGE: readonly SearchOptions[] = [{ policy: 'pos', bound: 0, seed: 1, schedules: 1 }];

it.each(names)('%s', (name) => {
  const scenario = variant.scenarios.find((each) => each.name === name)!;
  const explorer = new variant.Explorer(scenario);
  for (const options of (scenario.vm?.ramPages ?? 0) < 512 ? SEARCHES : LARGE) {
    const search = new variant.Search(explorer, options);
    search.step(() => false);
    expect(search.state.failure?.found ?? null).toBeNull();
  }
});
