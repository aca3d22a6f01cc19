// The museum, in its quick form: every edit fits production code, and every bug is found by POS within its budget,
// fails with its invariant when it is run again, and where the budget is small takes as many pre-emptions, and about
// as many steps, as its file says.
//
// The whole proof, with production searched as well, is `umbra museum --check`.

import { describe, expect, it } from 'vitest';
import { findBug, isAsStated } from '../src/cli/museumCheck.ts';
import { EXHIBITS } from '../src/exhibits/index.ts';
import { loadScenario } from '../src/exploration.ts';

/** Above, the exhaustive search is left to `umbra museum --check`. */
const QUICK_BUDGET = 300;

describe.each(EXHIBITS.map((exhibit) => [exhibit.name, exhibit] as const))('%s', (_name, exhibit) => {
  it('is found by POS within its budget', async () => {
    const variant = await loadScenario(exhibit.scenario, exhibit.edits);
    const explorer = new variant.Explorer(variant.scenario);
    explorer.looksForRaces = false;
    const options = { policy: 'pos' as const, bound: 0, seed: 1, schedules: exhibit.budget.pos };
    const search = new variant.Search(explorer, options);
    search.step(() => false);
    const { failure } = search.state;
    expect(failure?.found?.invariant).toBe(exhibit.invariant);
    const least = variant.minimise(explorer, failure!);
    expect(explorer.replay(least.schedule)).toEqual({ ...least, missed: 0 });
    expect(least.preemptions).toBeGreaterThanOrEqual(exhibit.preemptions);
  });

  it.runIf(exhibit.budget.bounded <= QUICK_BUDGET)(
    'takes as many pre-emptions and about as many steps as it says',
    async () => {
      const bug = await findBug(exhibit);
      const { preemptions, steps } = bug.failure ?? {};
      expect({ isAsStated: isAsStated(exhibit, bug), preemptions, steps }).toMatchObject({
        isAsStated: true,
      });
    },
  );
});
