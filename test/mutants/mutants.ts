// Mutants: one step of the protocol taken away or put elsewhere, to see whether the standing scenarios notice.
//
// Not exhibits: most were never in a kernel. Some change nothing that anybody can see; those are marked as
// equivalent, with why.

import type { SourceEdit } from '../../src/loader/index.ts';

export interface Mutant {
  readonly name: string;
  readonly edits: readonly SourceEdit[];
  /** Why nobody can tell it from production. */
  readonly equivalent?: string;
}

const mutant = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ file, find, replace }],
});

export const MUTANTS: readonly Mutant[] = [
  // The fault
  mutant(
    'no sequence check',
    'kvm/pageFault.ts',
    'return kvm.mmuInvalidateSeq !== sequence;',
    'return false;',
  ),
  mutant('no count check', 'kvm/pageFault.ts', 'kvm.mmuInvalidateInProgress > 0 &&', 'false &&'),
  mutant(
    'range starts a page late',
    'kvm/pageFault.ts',
    'gfn >= kvm.mmuInvalidateRangeStart',
    'gfn > kvm.mmuInvalidateRangeStart',
  ),
  mutant(
    'range ends a page early',
    'kvm/pageFault.ts',
    'gfn < kvm.mmuInvalidateRangeEnd',
    'gfn < kvm.mmuInvalidateRangeEnd - 1',
  ),
  mutant('no check of a dead VM', 'kvm/pageFault.ts', 'if (kvm.vmDead || vcpu.root', 'if (vcpu.root'),
  mutant(
    'no stale check at all',
    'kvm/pageFault.ts',
    '!sameSlot || isPageFaultStale(vcpu, leaf.gfn, sequence);',
    '!sameSlot;',
  ),
  mutant(
    'the page is put before it is installed',
    'kvm/pageFault.ts',
    '  const answer = yield* installUnderLock(vcpu, slot, leaf, sequence, fetch);\n  yield* putPage(kvm.host, leaf.pfn);',
    '  yield* putPage(kvm.host, leaf.pfn);\n  const answer = yield* installUnderLock(vcpu, slot, leaf, sequence, fetch);',
  ),
  mutant('the page is never put', 'kvm/pageFault.ts', '  yield* putPage(kvm.host, leaf.pfn);\n', ''),
  mutant(
    'writable whatever the host says',
    'kvm/pageFault.ts',
    'const hostWritable = kvm.host.gup.writable && !readOnly;',
    'const hostWritable = !readOnly;',
  ),
  // The notifier client
  mutant(
    'no flush in the callback',
    'kvm/notifierClient.ts',
    'if (flush) yield* kvmFlushRemoteTlbs(kvm);',
    '',
  ),
  mutant(
    'no zap in the callback',
    'kvm/notifierClient.ts',
    'range.start, range.end, unmapGfnRange, (',
    'range.start, range.end, null, (',
  ),
  mutant('start does not count', 'kvm/notifierClient.ts', 'if (!begun) kvm.mmuInvalidateInProgress++;', ''),
  mutant('end does not bump', 'kvm/notifierClient.ts', '  kvm.mmuInvalidateSeq++;\n', ''),
  mutant('end does not lower the count', 'kvm/notifierClient.ts', '  kvm.mmuInvalidateInProgress--;\n', ''),
  mutant(
    'start adds no range',
    'kvm/notifierClient.ts',
    '        invalidateRangeAdd(kvm, startGfn, endGfn);\n',
    '',
  ),
  mutant(
    'end keeps the active count',
    'kvm/notifierClient.ts',
    '      yield* changeActiveCount(kvm, -1);\n',
    '',
  ),
  mutant('release zaps nothing', 'kvm/notifierClient.ts', '      yield* kvmMmuZapAll(kvm);\n', ''),
  mutant('release does not kill the VM', 'kvm/notifierClient.ts', '      kvm.vmDead = true;\n', ''),
  // Flushes
  mutant('no request', 'kvm/requests.ts', '    vcpu.requests |= request;\n', ''),
  mutant(
    'no acknowledgement',
    'kvm/requests.ts',
    'while (vcpu.mode === VcpuMode.exitingGuest) {',
    'while (false) {',
  ),
  mutant(
    'the vCPU looks at requests before it says it is in',
    'kvm/vcpu.ts',
    '  vcpu.mode = VcpuMode.inGuest;\n  if (points.on) yield at.vcpu(vcpu.index);\n  if (vcpu.requests !== 0 && !handleRequests(vcpu)) {',
    '  const asked = vcpu.requests !== 0;\n  if (points.on) yield at.vcpu(vcpu.index);\n  vcpu.mode = VcpuMode.inGuest;\n  if (asked && !handleRequests(vcpu)) {',
  ),
  mutant(
    'a request flushes nothing',
    'kvm/vcpu.ts',
    '    vcpu.hart.flushAll();\n    vcpu.pagesToFlush.length = 0;\n',
    '    vcpu.pagesToFlush.length = 0;\n',
  ),
  // Zapping
  mutant(
    'the spte stays',
    'kvm/zap.ts',
    'const old = exchangeSpte(kvm.memory, sptep, 0);',
    'const old = readSpte(kvm.memory, sptep);',
  ),
  mutant('the rmap entry stays', 'kvm/zap.ts', '  slot.rmap.remove(gfn, sptep);\n', ''),
  mutant(
    'the dirty bit is dropped',
    'kvm/zap.ts',
    '  if ((old & PTE_D) !== 0) setPageDirty(kvm.host, frame);\n',
    '',
  ),
  mutant(
    'only the first spte of a gfn',
    'kvm/zap.ts',
    'for (const sptep of sptes) yield* dropSpte',
    'for (const sptep of sptes.slice(0, 0)) yield* dropSpte',
  ),
  // Reclaim
  mutant(
    'reclaim calls no start',
    'mm/tryToUnmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'reclaim calls no end',
    'mm/tryToUnmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'reclaim starts late',
    'mm/tryToUnmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const ptep = yield* lockMappedPte(vma, pfn, address);\n  let unmapped = true;',
    '  const ptep = yield* lockMappedPte(vma, pfn, address);\n  let unmapped = true;\n  if (range !== null && ptep === 0) yield* mmuNotifierInvalidateRangeStart(range);',
  ),
  mutant(
    'no slot reference for the swap entry',
    'mm/tryToUnmap.ts',
    '    yield* swapDuplicate(host, slot);\n',
    '',
  ),
  mutant('the rmap of the host stays', 'mm/tryToUnmap.ts', '  yield* removeRmap(mm, pfn);\n', ''),
  mutant(
    'a mapped page counts as clean',
    'mm/shrinkFolioList.ts',
    "if (frames.maps(pfn) > 0) return 'activate_locked';",
    '',
  ),
  mutant(
    'a page in use is freed',
    'mm/shrinkFolioList.ts',
    "  if (frames.count(pfn) !== 2) return 'keep_locked';\n",
    '',
  ),
  mutant(
    'dirty pages are dropped',
    'mm/shrinkFolioList.ts',
    '    const verdict = yield* pageout(host, pfn, stat);\n    if (verdict !== null) return verdict;\n',
    '',
  ),
  // The notifier core
  mutant(
    'the chain calls nobody at start',
    'notifier/chain.ts',
    '  for (const subscription of list) error = (yield* startOne(subscription, range)) || error;\n',
    '',
  ),
  mutant(
    'the chain calls nobody at end',
    'notifier/chain.ts',
    '  yield* endAll(subscriptions.list, range);\n',
    '',
  ),
  mutant(
    'a failed start ends nothing',
    'notifier/chain.ts',
    '  if (error !== 0) yield* endAll(list, range);\n',
    '',
  ),
  mutant(
    'exit calls no release',
    'notifier/register.ts',
    '    if (subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n  }\n',
    '  }\n',
  ),
  mutant(
    'unregister calls no release',
    'notifier/register.ts',
    '  if (stillLinked && subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n',
    '',
  ),
  mutant(
    'unregister unlinks nothing',
    'notifier/register.ts',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n',
    '',
  ),
  mutant(
    'registration takes no locks',
    'notifier/register.ts',
    '  const error = yield* mm.takeAllLocks();\n  if (error !== 0) return error;\n',
    '',
  ),
  // Others
  mutant(
    'the reaper tells nobody',
    'mm/oom.ts',
    'if (range !== null && (yield* mmuNotifierInvalidateRangeStartNonblock(range)) !== 0) return false;',
    '',
  ),
  mutant(
    'the reaper never ends',
    'mm/oom.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'pages are freed before the flush',
    'mm/mmuGather.ts',
    '    yield* this.flushTlb();\n    for (const',
    '    for (const',
  ),
];
