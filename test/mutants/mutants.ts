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
  {
    ...mutant(
      'the page is put before it is installed',
      'kvm/pageFault.ts',
      '  const answer = yield* installUnderLock(vcpu, slot, leaf, sequence, fetch);\n  yield* putPage(kvm.host, leaf.pfn);',
      '  yield* putPage(kvm.host, leaf.pfn);\n  const answer = yield* installUnderLock(vcpu, slot, leaf, sequence, fetch);',
    ),
    equivalent:
      'Whoever frees, moves or merges the page does so between start and end, which the check under mmu_lock sees; and nobody touches the frame in between.',
  },
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
  mutant('no request', 'kvm/requests.ts', '    vcpu.makeRequest(request);\n', ''),
  mutant(
    'no acknowledgement',
    'kvm/requests.ts',
    'while (vcpu.mode === VcpuMode.exitingGuest) {',
    'while (false) {',
  ),
  mutant(
    'the vCPU looks at requests before it says it is in',
    'kvm/vcpu.ts',
    '  vcpu.mode = VcpuMode.inGuest;\n  smpMb(kvm.sched);\n  if (points.on) yield at.vcpu(vcpu.index);\n  if (vcpu.requests !== 0 && !handleRequests(vcpu)) {',
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
  mutant('the rmap of the host stays', 'mm/tryToUnmap.ts', '  yield* removeRmap(vma, page);\n', ''),
  {
    ...mutant(
      'a mapped page counts as clean',
      'mm/shrinkFolioList.ts',
      "if (frames.maps(pfn) > 0) return 'activate_locked';",
      '',
    ),
    equivalent:
      'Each mapping holds a reference, so that the page is not written, nor can its references be frozen: it is kept all the same.',
  },
  {
    ...mutant(
      'a page in use is freed',
      'mm/shrinkFolioList.ts',
      "  if (frames.count(pfn) !== 1 + frames.nrPages(pfn)) return 'keep_locked';\n",
      '',
    ),
    equivalent:
      'It is written in vain, and kept: to be freed its references are frozen, which fails as long as anybody has one.',
  },
  mutant(
    'dirty pages are dropped',
    'mm/shrinkFolioList.ts',
    '    const verdict = yield* pageout(host, pfn, list, stat);\n    if (verdict !== null) return verdict;\n',
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
  // Seen from CPUs, files and devices
  mutant(
    'mremap flushes nothing',
    'mm/movePageTables.ts',
    '  if (forceFlush) yield* flushTlbRange(mm, start, (start + bytes) as Hva);\n',
    '',
  ),
  mutant(
    'mremap starts nothing',
    'mm/movePageTables.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  let moved',
    '  let moved',
  ),
  mutant(
    'writeback starts nothing',
    'mm/mkclean.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const cleaned',
    '  const cleaned',
  ),
  mutant('writeback leaves pages writable', 'mm/mkclean.ts', 'pte & ~(PTE_D | PTE_W)', 'pte & ~PTE_D'),
  mutant(
    'writeback flushes nothing',
    'mm/mkclean.ts',
    'const pte = yield* ptepClearFlush(vma.mm, address, ptep);',
    'const pte = readPte(host, ptep);',
  ),
  mutant(
    'writeback looks at no PTE',
    'mm/writeback.ts',
    'if ((yield* folioMkclean(host, pfn)) > 0)',
    'if (pfn < 0)',
  ),
  mutant(
    'zap drops the dirty bit',
    'mm/zap.ts',
    '  if ((pte & PTE_D) !== 0) folioMarkDirty(mm.host, folio);\n',
    '',
  ),
  mutant(
    'zap keeps the rmap',
    'mm/zap.ts',
    '  if (isAnon) yield* removeRmap(vma, pfn);\n  else yield* zapFilePage',
    '  if (!isAnon) yield* zapFilePage',
  ),
  mutant(
    'zap does not wait for the flush',
    'mm/zap.ts',
    '  if ((pte & PTE_D) !== 0) gather.delayRmap(pfn);\n  else yield* removeRmap(vma, pfn);',
    '  yield* removeRmap(vma, pfn);',
  ),
  mutant('zap forgets what reclaim owes', 'mm/zap.ts', '  yield* flushTlbBatchedPending(mm);\n', ''),
  mutant(
    'mprotect forgets what reclaim owes',
    'mm/pagewalk.ts',
    '  if (changes) yield* flushTlbBatchedPending(mm);\n',
    '',
  ),
  mutant(
    'MADV_DONTNEED starts nothing',
    'mm/madvisePages.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  yield* zapPageRange',
    '  yield* zapPageRange',
  ),
  mutant(
    'copy-on-write starts nothing',
    'mm/copyOnWrite.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const copied',
    '  const copied',
  ),
  mutant(
    'copy-on-write does not look again',
    'mm/copyOnWrite.ts',
    'const same = readPte(host, ptep) === vmf.origPte;',
    'const same = true;',
  ),
  mutant(
    'copy-on-write sees nobody else',
    'mm/copyOnWrite.ts',
    '  if (pfn !== 0 && (yield* canReuse(vmf.vma, pfn as Pfn))) {',
    '  if (pfn !== 0) {',
  ),
  mutant(
    'swap-in does not look again',
    'mm/swapIn.ts',
    '  if (readPte(host, vmf.ptep) !== vmf.origPte) return 0;\n',
    '',
  ),
  mutant(
    'swap-in believes in any folio',
    'mm/swapIn.ts',
    '  if (!frames.test(pfn, PG_swapcache) || frames.private[pfn] !== slot) {',
    '  if (pfn < 0) {',
  ),
  mutant('fork flushes nothing', 'mm/fork.ts', '  yield* flushTlbMm(parent);\n', ''),
  mutant(
    'reclaim drops the dirty bit of a PTE',
    'mm/tryToUnmap.ts',
    '  if ((pte & PTE_D) !== 0) {\n    if (points.on) yield at.page(pfn);\n    folioMarkDirty(host, pfn);\n  }\n  if (lazyfree',
    '  if (lazyfree',
  ),
  mutant('reclaim owes no flush', 'mm/tlbFlush.ts', '    this.#required = true;\n', ''),
  mutant(
    'reclaim writes before it flushes',
    'mm/shrinkFolioList.ts',
    '    yield* sc.batch.flushDirty();\n',
    '',
  ),
  mutant(
    'reclaim frees before it flushes',
    'mm/shrinkFolioList.ts',
    '  yield* sc.batch.flush();\n  for',
    '  for',
  ),
  mutant(
    'reclaim tells no client that shares the tables',
    'mm/tlbFlush.ts',
    '    if (mm.notifierSubscriptions !== null)\n      yield* mmuNotifierArchInvalidateSecondaryTlbs(mm, address, (address + PAGE) as Hva);\n',
    '',
  ),
  mutant(
    'a dropped page may be dirty',
    'mm/tryToUnmap.ts',
    '  if (frames.test(pfn, PG_dirty)) {\n    frames.set(pfn, PG_swapbacked);\n    return false;\n  }\n',
    '',
  ),
  mutant(
    'the accessed bit is dropped',
    'kvm/zap.ts',
    '  if ((old & PTE_A) !== 0) markPageAccessed(kvm.host, frame);\n',
    '',
  ),
  mutant(
    'a guest table is not write-protected',
    'kvm/writeTrack.ts',
    '  if (yield* writeProtectGfn(kvm, slot, sp.gfn)) yield* kvmFlushRemoteTlbs(kvm);\n}',
    '}',
  ),
  mutant(
    'a guest table is protected and no TLB flushed',
    'kvm/writeTrack.ts',
    '  if (yield* writeProtectGfn(kvm, slot, sp.gfn)) yield* kvmFlushRemoteTlbs(kvm);\n}',
    '  yield* writeProtectGfn(kvm, slot, sp.gfn);\n}',
  ),
  mutant(
    'a guest entry is not read again',
    'kvm/pageFault.ts',
    '    if (yield* guestWalk.hasChanged(level - 1)) return RetPf.retry;\n',
    '',
  ),
  mutant(
    'a fence syncs nothing',
    'kvm/sync.ts',
    '    unmarkUnsync(kvm, sp);\n    yield* syncPage(kvm, sp, invalidList);\n',
    '    unmarkUnsync(kvm, sp);\n',
  ),
  mutant(
    'no kick',
    'kvm/requests.ts',
    '    if (vcpu.exitingGuestMode() === VcpuMode.inGuest) vcpu.hart.kick();\n',
    '',
  ),
  mutant(
    'two gathers do not know of each other',
    'mm/mmuGather.ts',
    '    if (mm.tlbFlushPending > 1) yield* flushTlbMm(mm);\n',
    '',
  ),
  mutant('a CPU acknowledges and does not flush', 'mm/tlbFlush.ts', '      this.#flush(request);\n', ''),
  mutant(
    'the sequence of intervals stays even',
    'notifier/itree.ts',
    '  if (hits.length > 0) subscriptions.invalidateSeq |= 1;\n',
    '',
  ),
  mutant(
    'a device installs what is stale',
    'drivers/hmm.ts',
    '    if (!isStale) yield* this.#install',
    '    yield* this.#install',
  ),
  mutant(
    'a removal is not waited for',
    'notifier/interval.ts',
    '    yield* wq.until(() => subscriptions.invalidateSeq !== seq);\n',
    '',
  ),
  // Migration
  mutant(
    'a page moves while CPUs still store to it',
    'mm/migrate.ts',
    '  if (batch !== null) yield* batch.flush();\n',
    '',
  ),
  mutant(
    'a migration without a start',
    'mm/tryToMigrate.ts',
    '  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);\n  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);\n',
  ),
  mutant(
    'a page moves away from who has a reference',
    'mm/migrateFolio.ts',
    '  if (frames.count(from) !== expected) return -Errno.EAGAIN;\n',
    '',
  ),
  mutant(
    'a fault does not wait for a page that moves',
    'mm/fault.ts',
    '  yield* folioLocks.wait(frames.folioOf(migrationPfn(origPte)), PG_locked);\n',
    '',
  ),
  // The same steps in other places
  mutant(
    'munmap starts nothing',
    'mm/munmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  for (const vma of vmas) yield* zap',
    '  for (const vma of vmas) yield* zap',
  ),
  mutant(
    'munmap never ends',
    'mm/munmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'mprotect starts nothing',
    'mm/mprotect.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  yield* walkPtes',
    '  yield* walkPtes',
  ),
  mutant(
    'mprotect never ends',
    'mm/mprotect.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'fork starts nothing',
    'mm/fork.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  let error',
    '  let error',
  ),
  mutant(
    'a file is cut without a start',
    'mm/truncate.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'a file is cut without an end',
    'mm/truncate.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'MADV_FREE starts nothing',
    'mm/madvisePages.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  yield* walkSplitting',
    '  yield* walkSplitting',
  ),
  mutant(
    'soft-dirty starts nothing',
    'mm/softDirty.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'merging starts nothing',
    'mm/ksmMerge.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'a collapse starts nothing',
    'mm/collapse.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'a collapse ends before it has unhooked',
    'mm/collapse.ts',
    '  yield* mm.pageTableLock.unlock();\n  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n}',
    '  yield* mm.pageTableLock.unlock();\n}',
  ),
  mutant(
    'a huge page is split without a start',
    'mm/splitPmd.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'mprotect flushes nothing',
    'mm/mprotect.ts',
    '  setPte(host, ptep, writable ? changed | PTE_W : changed);\n  gather.noteEntry(address);\n',
    '  setPte(host, ptep, writable ? changed | PTE_W : changed);\n',
  ),
  mutant('soft-dirty flushes nothing', 'mm/softDirty.ts', '  yield* flushTlbMm(mm);\n', ''),
  mutant(
    'pages are merged while CPUs still store to them',
    'mm/ksmMerge.ts',
    '  const pte = yield* ptepClearFlush(mm, address, ptep);\n  if (points.on) yield at.page(pfn);\n',
    '  if (points.on) yield at.pte(ptep);\n  const pte = readPte(host, ptep);\n  if (points.on) yield at.page(pfn);\n',
  ),
  mutant(
    'a copy is shown before CPUs have let go',
    'mm/rmap.ts',
    '  if (isAccessible(mm, pte)) yield* flushTlbPage(mm, address);\n',
    '',
  ),
  mutant(
    'what was just made inaccessible needs no flush',
    'mm/pte.ts',
    '  isPresent(pte) || (isProtNone(pte) && tlbFlushPending > 0);',
    '  isPresent(pte) || (isProtNone(pte) && tlbFlushPending < 0);',
  ),
  mutant(
    'a collapse copies while CPUs still store',
    'mm/pmd.ts',
    '  ptepGetAndClear(mm.host, pmdp);\n  yield* flushTlbRange(mm, address, (address + HPAGE_PMD_SIZE) as Hva);\n',
    '  ptepGetAndClear(mm.host, pmdp);\n',
  ),
  mutant(
    'CPUs are asked to flush and not waited for',
    'mm/tlbFlush.ts',
    '  while (request.unacknowledged > 0) {',
    '  while (request.unacknowledged > 99) {',
  ),
  mutant(
    'a flush of CPUs tells no device',
    'mm/tlbFlush.ts',
    '  if (mm.notifierSubscriptions !== null) yield* mmuNotifierArchInvalidateSecondaryTlbs(mm, start, end);\n',
    '',
  ),
  {
    ...mutant(
      'shadow pages are freed before the flush',
      'kvm/zap.ts',
      '  yield* kvmFlushRemoteTlbs(kvm);\n  for (const sp of invalidList.splice(0)) yield* freeShadowPage(kvm, sp);',
      '  for (const sp of invalidList.splice(0)) yield* freeShadowPage(kvm, sp);\n  yield* kvmFlushRemoteTlbs(kvm);',
    ),
    equivalent:
      'TLBs have leaves alone, a walk is one step from a root that is in use: nothing can reach a table that is unlinked, flushed or not.',
  },
  mutant(
    'zapped shadow pages are freed without a flush',
    'kvm/zap.ts',
    '  yield* kvmFlushRemoteTlbs(kvm);\n  for (const sp of invalidList',
    '  for (const sp of invalidList',
  ),
  mutant(
    'a synced page flushes nothing',
    'kvm/sync.ts',
    '  if (flush) yield* kvmFlushRemoteTlbs(kvm);\n',
    '',
  ),
  {
    ...mutant(
      'an spte that loses W is not flushed',
      'kvm/spteChange.ts',
      '  if (isWritableSpte(old & ~spte)) yield* kvmFlushRemoteTlbs(kvm);\n',
      '',
    ),
    equivalent:
      'Whoever syncs flushes for any change; a fault lowers only what the guest has lowered, and its harts may use what they have until they fence.',
  },
  mutant(
    'the fence of one address flushes nobody',
    'kvm/sync.ts',
    '  if (page === null) yield* kvmFlushRemoteTlbs(kvm);\n  else yield* kvmFlushRemoteTlbsPage(kvm, page, frame);\n',
    '',
  ),
  mutant(
    'only vCPUs that are in the guest are asked',
    'kvm/requests.ts',
    '    vcpu.makeRequest(request);\n',
    '    if (vcpu.mode !== VcpuMode.outsideGuest) vcpu.makeRequest(request);\n',
  ),
  mutant(
    'the request comes after the look at the mode',
    'kvm/requests.ts',
    '    vcpu.makeRequest(request);\n    if (request !== Request.freeObsoleteRoots) kvm.trace.vcpu_flush_request?.(vcpu.index);\n    smpMb(kvm.sched);\n    if (vcpu.exitingGuestMode()',
    '    const mode = vcpu.exitingGuestMode();\n    if (points.on) yield at.vcpu(vcpu.index);\n    vcpu.makeRequest(request);\n    if (mode',
  ),
  mutant(
    'the flush comes after mmu_lock',
    'kvm/notifierClient.ts',
    '    if (flush) yield* kvmFlushRemoteTlbs(kvm);\n    yield* kvm.mmuLock.unlock();\n',
    '    yield* kvm.mmuLock.unlock();\n    if (flush) yield* kvmFlushRemoteTlbs(kvm);\n',
  ),
  mutant(
    'an end forgets the ranges of others',
    'kvm/notifierClient.ts',
    '  if (kvm.mmuInvalidateInProgress > 0) return;\n',
    '',
  ),
  mutant(
    'a second range replaces the first',
    'kvm/notifierClient.ts',
    '  const first = kvm.mmuInvalidateRangeStart === kvm.mmuInvalidateRangeEnd;',
    '  const first = true;',
  ),
  mutant(
    'an interval is not looked at again',
    'drivers/hmm.ts',
    '    const isStale = mmuIntervalReadRetry(notifier, notifierSeq);',
    '    const isStale = mmuIntervalReadRetry(notifier, notifierSeq) && notifierSeq < 0;',
  ),
  mutant(
    'an invalidation does not set the sequence',
    'drivers/hmm.ts',
    '    mmuIntervalSetSeq(this.#notifier, seq);\n',
    '',
  ),
  mutant(
    'a device forgets what it has written',
    'drivers/hmm.ts',
    '      setPageDirty(this.mm.host, entry.pfn);\n',
    '',
  ),
  mutant(
    'a memslot goes without a zap',
    'kvm/memslots.ts',
    '    yield* kvmArchFlushShadowMemslot(kvm);\n',
    '',
  ),
  mutant(
    'a memslot is changed while a range is open',
    'kvm/memslots.ts',
    '    if (kvm.mnActiveInvalidateCount === 0) return;\n    yield* kvm.mnInvalidateLock.unlock();\n',
    '    return;\n',
  ),
  mutant(
    'readers of memslots are not waited for',
    'kvm/memslots.ts',
    '  yield* kvm.srcu.synchronize();\n',
    '',
  ),
  mutant(
    'migration drops the dirty bit',
    'mm/tryToMigrate.ts',
    '  if ((pte & PTE_D) !== 0) {\n    if (points.on) yield at.page(pfn);\n    folioMarkDirty(host, pfn);\n  }\n',
    '',
  ),
  mutant(
    'merging drops the dirty bit',
    'mm/ksmMerge.ts',
    '  if ((pte & PTE_D) !== 0) folioMarkDirty(host, pfn);\n',
    '',
  ),
  mutant('the new frame is clean', 'mm/migrateFolio.ts', '  if (dirty) frames.set(to, PG_dirty);\n', ''),
  mutant('the content stays behind', 'mm/migrateFolio.ts', '  host.memory.copyFrame(to, from);\n', ''),
  mutant('a page that is merged keeps its rmap', 'mm/ksmMerge.ts', '  yield* removeRmap(vma, old);\n', ''),
  mutant(
    'copy-on-write keeps the rmap',
    'mm/copyOnWrite.ts',
    '    if (old !== 0) yield* removeRmap(vma, old as Pfn);\n',
    '',
  ),
  mutant(
    'a page that moves keeps its rmap',
    'mm/tryToMigrate.ts',
    '  yield* folioRemoveRmap(vma, page);\n',
    '',
  ),
  mutant(
    'an anonymous fault does not look again',
    'mm/fault.ts',
    '  if (readPte(mm.host, vmf.ptep) === 0) {',
    '  if (vmf.ptep !== 0) {',
  ),
  mutant(
    'a write fault does not look again',
    'mm/fault.ts',
    '  const same = readPte(host, vmf.ptep) === vmf.origPte;\n  const write',
    '  const same = true;\n  const write',
  ),
  mutant(
    'a hint fault does not look again',
    'mm/numaFault.ts',
    '  const same = readPte(vma.mm.host, ptep) === origPte;',
    '  const same = ptep !== 0;',
  ),
  mutant(
    'a merge does not look again',
    'mm/ksmMerge.ts',
    '    const same = readPte(host, ptep) === original;',
    '    const same = original !== 0;',
  ),
  mutant(
    'pages are not compared for good',
    'mm/ksmMerge.ts',
    '    if (comparePages(host, pfn, kpage as Pfn) === 0)\n      error',
    '    error',
  ),
  mutant(
    'a page with other references is merged',
    'mm/ksmMerge.ts',
    '  if (frames.count(pfn) !== frames.maps(pfn) + 1 + cached) {',
    '  if (frames.count(pfn) < 0) {',
  ),
  mutant(
    'reverse mapping believes in any entry',
    'mm/rmap.ts',
    '(pte) => isPresentPte(pte) && ptePfn(pte) === pfn)',
    '(pte) => isPresentPte(pte))',
  ),
  mutant(
    'a page in use is collapsed',
    'mm/collapsePages.ts',
    'frames.count(folio) !== frames.maps(folio) + Number(frames.test(folio, PG_swapcache));',
    'frames.count(folio) < frames.maps(folio) + Number(frames.test(folio, PG_swapcache));',
  ),
  mutant(
    'a table that is synced stays writable',
    'kvm/sync.ts',
    '    protectedSome = (yield* writeProtectGfn(kvm, slot, sp.gfn)) || protectedSome;\n',
    '',
  ),
  mutant(
    'a table that is synced is protected and no TLB flushed',
    'kvm/sync.ts',
    '  if (protectedSome) yield* kvmFlushRemoteTlbs(kvm);\n',
    '',
  ),
  mutant('a table gets W and counts as in sync', 'kvm/spteChange.ts', '    markUnsync(kvm, sp);\n', ''),
  mutant(
    'upper tables are not tracked',
    'kvm/writeTrack.ts',
    '  if (sp.role.level > 0) addTrack(slot, sp.gfn);\n  if (yield',
    '  if (yield',
  ),
  mutant(
    'unregister does not wait',
    'notifier/register.ts',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n  yield* srcu.synchronize();\n',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n',
  ),
  mutant(
    'ageing forgets what secondary MMUs know',
    'mm/pageIdle.ts',
    '    young = (yield* mmuNotifierClearYoung(mm, address, (address + bytes) as Hva)) || young;\n',
    '',
  ),
  mutant(
    'who is used is idle all the same',
    'mm/folio.ts',
    '  host.frames.clear(pfn, PG_idle);\n  if (!host',
    '  if (!host',
  ),
  mutant(
    'uffd-wp does not mark the entry',
    'mm/mprotect.ts',
    '  if (uffdWp !== null) setUffdWp(host, ptep, readPte(host, ptep), uffdWp);\n',
    '',
  ),
  mutant(
    'the handler of stores is not asked',
    'mm/copyOnWrite.ts',
    '  if (!unshares && (vmf.vma.flags & VM_UFFD_WP) !== 0 && isUffdWp(host, vmf.ptep)) {',
    '  if (unshares && isUffdWp(host, vmf.ptep)) {',
  ),
];
