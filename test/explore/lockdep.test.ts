// Mistakes of context and of lock order in production code, each planted by a source edit: found without a
// pre-emption, however unlikely the schedule is in which it would hang.

import { expect, it } from 'vitest';
import type * as Explore from '../../src/explore/index.ts';
import type { Scenario } from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit } from '../../src/loader/index.ts';

type Variant = typeof Explore & { readonly scenario: Scenario };

/** What is broken without a pre-emption or before, of a standing scenario by name or of one given as text. */
async function foundIn(scenario: string, edits: readonly SourceEdit[]): Promise<Explore.Found | null> {
  const source = /^[\w-]+$/.test(scenario)
    ? `export { scenario } from './scenarios/${scenario}.ts';`
    : `import * as umbra from './kernel.ts'; import { Srcu } from './sched/index.ts'; export const scenario = ${scenario};`;
  const entry = `export * from './explore/index.ts'; ${source}`;
  const variant = await loadVariant<Variant>({ entry, edits });
  let explorer: Explore.Explorer;
  try {
    explorer = new variant.Explorer(variant.scenario);
  } catch (error) {
    return { invariant: 'I8', message: (error as Error).message };
  }
  const options = { policy: 'bounded' as const, bound: 0, hardware: 0, seed: 1, schedules: 2_000 };
  const search = new variant.Search(explorer, options);
  search.step(() => false);
  const { failure, complete } = search.state;
  expect(complete).toBe(failure === null);
  if (failure !== null) expect(explorer.replay(failure.schedule).found).toEqual(failure.found);
  return failure?.found ?? null;
}

const HMM_IMPORT =
  "import { exitMm, type HmmPfn, hmmRangeFault, type Mm, setPageDirty } from '../mm/index.ts';";

/** A driver that allocates under the lock that its invalidation takes. */
const ALLOCATES: readonly SourceEdit[] = [
  {
    file: 'drivers/hmm.ts',
    find: HMM_IMPORT,
    replace: HMM_IMPORT.replace('exitMm,', 'allocKernelPages, exitMm,'),
  },
  {
    file: 'drivers/hmm.ts',
    find: 'const isStale = mmuIntervalReadRetry',
    replace: "yield* allocKernelPages(mm.host, 0, 'shadow');\n    const isStale = mmuIntervalReadRetry",
  },
];

const MIRROR = `{
  name: 'mirror', about: 'the reaper meets a device', guest: 'vcpu0: done: j done', losesPages: [0, 1, 2, 3],
  *setUp(world) {
    yield* world.read64(world.page(1));
    const mirror = new umbra.HmmMirror(world.mm, 1);
    yield* mirror.open(world.hva(1), 4096);
    world.devices.push(mirror);
  },
  tasks: (world) => ({ *killer() { world.host.oomKiller.outOfMemory(world.host); } }),
}`;

const READER = `{
  name: 'reader', about: 'memory of a process is read inside an RCU read section', guest: 'vcpu0: done: j done',
  tasks: (world) => ({
    *reader() {
      const rcu = new Srcu(world.sched, 'rcu', false);
      const index = yield* rcu.readLock();
      yield* world.read64(world.page(1));
      yield* rcu.readUnlock(index);
    },
  }),
}`;

it.each<[string, string, readonly SourceEdit[], RegExp[]]>([
  [
    'a client allocates with GFP_KERNEL under the lock that its range_start takes',
    'interval-remove',
    ALLOCATES,
    [
      /^possible circular locking dependency: mmu_notifier_invalidate_range_start -> driver lock \(writer\), and /,
      /driver lock -> fs_reclaim \(set-up\) -> mmu_notifier_invalidate_range_start \(boot\)$/,
    ],
  ],
  [
    'page tables are allocated under mmu_lock',
    'pageout',
    [
      {
        file: 'kvm/pageFault.ts',
        find: '  if (isCacheLow(vcpu) && !(yield* topupShadowPageCache(vcpu)))\n',
        replace: '  if (false)\n',
      },
      {
        file: 'kvm/pageFault.ts',
        find: '  if (!mmuLock.takeWrite()) yield* mmuLock.wait();\n',
        replace: '  if (!mmuLock.takeWrite()) yield* mmuLock.wait();\n  yield* topupShadowPageCache(vcpu);\n',
      },
    ],
    [/^sleeping function called from invalid context: might_alloc/],
  ],
  [
    'a page is copied under the PTE lock',
    'copy-on-write',
    [
      {
        file: 'mm/fault/copyOnWrite.ts',
        find: '  yield* ptl.unlock();\n  return yield* wpPageCopy(vmf, pfn);',
        replace: '  return yield* wpPageCopy(vmf, pfn);',
      },
    ],
    [/^sleeping function called from invalid context: /],
  ],
  [
    'a client waits for its mutex in a range that must not block',
    MIRROR,
    [{ file: 'drivers/hmm.ts', find: 'if (blockable) yield', replace: 'if (blockable || true) yield' }],
    [/^sleeping function called from invalid context: driver lock/],
  ],
  [
    'memory of a process is read inside an RCU read section',
    READER,
    [],
    [/^sleeping function called from invalid/],
  ],
])('%s: I8', async (_, scenario, edits, messages) => {
  const found = await foundIn(scenario, edits);
  expect(found?.invariant).toBe('I8');
  for (const message of messages) expect(found?.message).toMatch(message);
  if (edits.length > 0) expect(await foundIn(scenario, [])).toBeNull();
});
