// npm run mutants: how many mutants the standing scenarios kill. One line of JSON for each, and one in the end.
//
// A mutant is killed if a scenario fails that production passes: all schedules with at most one pre-emption first, as
// far as a budget goes, then POS.

import { loadScenario, scenarioNames } from '../../src/cli/exploration.ts';
import { LoadError } from '../../src/loader/index.ts';
import { MUTANTS, type Mutant } from './mutants.ts';

const BOUNDED_SCHEDULES = 400;
const POS_SCHEDULES = 300;

interface Kill {
  readonly scenario: string;
  readonly policy: 'bounded' | 'pos';
  readonly schedules: number;
  readonly invariant: string;
}

async function kill({ edits }: Mutant): Promise<Kill | null> {
  for (const scenario of scenarioNames()) {
    const variant = await loadScenario(scenario, edits).catch((error: unknown) => {
      if (error instanceof LoadError && error.message.endsWith('the variant does not use this file'))
        return null;
      throw error;
    });
    if (variant === null) continue;
    const killed = search(variant, scenario);
    if (killed !== null) return killed;
  }
  return null;
}

function search(variant: Awaited<ReturnType<typeof loadScenario>>, scenario: string): Kill | null {
  let explorer: InstanceType<typeof variant.Explorer>;
  try {
    explorer = new variant.Explorer(variant.scenario);
  } catch (error) {
    return { scenario, policy: 'bounded', schedules: 0, invariant: `setup: ${(error as Error).message}` };
  }
  for (const policy of ['bounded', 'pos'] as const) {
    const schedules = policy === 'bounded' ? BOUNDED_SCHEDULES : POS_SCHEDULES;
    const made = new variant.Search(explorer, { policy, bound: 1, seed: 1, schedules });
    made.step(() => false);
    const { failure, schedules: ran } = made.state;
    if (failure?.found) return { scenario, policy, schedules: ran, invariant: failure.found.invariant };
  }
  return null;
}

const print = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

const only = process.argv[2];
const mutants = MUTANTS.filter(({ name }) => only === undefined || name.includes(only));
let killed = 0;
let counted = 0;
for (const mutant of mutants) {
  const result = await kill(mutant);
  if (mutant.equivalent === undefined) counted++;
  if (result !== null) killed++;
  print({ mutant: mutant.name, killed: result !== null, ...result, equivalent: mutant.equivalent });
}
print({ name: 'mutants', count: counted, killed, rate: Number((killed / counted).toFixed(3)) });
process.exitCode = killed / counted >= 0.9 ? 0 : 1;
