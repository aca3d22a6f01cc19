// A vCPU that owes a flush when it is kicked: one that has not looked at its requests yet still flushes before its hart runs,
// and that is no bug; one that never looks is one.

import { expect, it } from 'vitest';
import type * as Explore from '../../src/explore/index.ts';
import type { Scenario } from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit } from '../../src/loader/index.ts';

type Variant = typeof Explore & { readonly scenario: Scenario };

/** Page 1 is gone, and still in the TLB of a vCPU that is outside, when it enters and page 2 goes. */
const SCENARIO = `{
  name: 'door', about: 'a vCPU that owes a flush is asked for another on its way into the guest',
  guest: 'vcpu0: addi a1, a1, 1\\ndone: j done\\nwarm: sd a1, 0(a0)\\nsd a1, 0(a2)\\nj done',
  *setUp(world) {
    world.setRegisters(0, { a0: world.page(1), a1: 77, a2: world.page(2) });
    yield* world.warmUp(0);
    yield* umbra.madvise(world.mm, world.hva(1), 4096, umbra.MADV_PAGEOUT);
  },
  tasks: (world) => ({
    *reclaim() { yield* umbra.madvise(world.mm, world.hva(2), 4096, umbra.MADV_PAGEOUT); },
  }),
}`;

async function searched(edits: readonly SourceEdit[], hardware = 0) {
  const entry = `export * from './explore/index.ts'; import * as umbra from './kernel.ts'; export const scenario = ${SCENARIO};`;
  const variant = await loadVariant<Variant>({ entry, edits });
  const explorer = new variant.Explorer(variant.scenario);
  const options = { policy: 'bounded' as const, bound: 1, hardware, seed: 1, schedules: 20_000 };
  const search = new variant.Search(explorer, options);
  search.step(() => false);
  const { complete, failure } = search.state;
  return { complete, found: failure?.found ?? null };
}

it('is left alone while it has not looked at its requests', async () => {
  expect(await searched([])).toEqual({ complete: true, found: null });
  expect(await searched([], 1)).toEqual({ complete: true, found: null });
});

const LOOK = '  if (vcpu.requests !== 0 && !handleRequests(vcpu)) {';

it('is found where it goes in and has not looked', async () => {
  const neverLooks = {
    file: 'kvm/vcpu.ts',
    find: LOOK,
    replace: '  if (vcpu.requests < 0 && !handleRequests(vcpu)) {',
  };
  expect((await searched([neverLooks])).found?.invariant).toBe('I1');
});

it('is found where the kick took its look away', async () => {
  const kicked = LOOK.replace('vcpu.requests !== 0', 'vcpu.mode === VcpuMode.inGuest && vcpu.requests !== 0');
  expect((await searched([{ file: 'kvm/vcpu.ts', find: LOOK, replace: kicked }])).found?.invariant).toBe(
    'I1',
  );
});
