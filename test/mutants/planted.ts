// Mutants that put a step elsewhere rather than take it away: the check before the lock, the flush before the entry is
// cleared, the end before the change.

import { type Mutant, mutant } from './mutant.ts';

export const PLANTED: readonly Mutant[] = [
  mutant(
    'the sequence is checked before mmu_lock is taken',
    'kvm/pageFault.ts',
    '  if (points.on) yield at.lock(mmuLock);\n  if (!mmuLock.takeWrite()) yield* mmuLock.wait();\n  if (points.on) yield at.list(kvm.id);\n  const sameSlot = gfnToMemslot(kvm, leaf.gfn) === slot;\n  if (points.on) yield at.sequence(kvm.id);\n  let answer: RetPf = RetPf.retry;\n  const stale = !sameSlot || isPageFaultStale(vcpu, leaf.gfn, sequence);\n',
    '  if (points.on) yield at.sequence(kvm.id);\n  const isOld = isPageFaultStale(vcpu, leaf.gfn, sequence);\n  if (points.on) yield at.lock(mmuLock);\n  if (!mmuLock.takeWrite()) yield* mmuLock.wait();\n  if (points.on) yield at.list(kvm.id);\n  const sameSlot = gfnToMemslot(kvm, leaf.gfn) === slot;\n  let answer: RetPf = RetPf.retry;\n  const stale = !sameSlot || isOld;\n',
  ),
  mutant(
    'the count is raised when all is zapped',
    'kvm/notifierClient.ts',
    '      yield* handleHvaRange(kvm, range.start, range.end, unmapGfnRange, (_, startGfn, endGfn) => {\n',
    '      yield* handleHvaRange(kvm, range.start, range.end, unmapGfnRange, null);\n      yield* handleHvaRange(kvm, range.start, range.end, null, (_, startGfn, endGfn) => {\n',
  ),
  mutant(
    'CPUs flush before the entry is cleared',
    'mm/rmap/rmap.ts',
    '  if (points.on) yield at.pte(ptep);\n  const pte = ptepGetAndClear(mm.host, ptep);\n  if (isAccessible(mm, pte)) yield* flushTlbPage(mm, address);\n  return pte;',
    '  yield* flushTlbPage(mm, address);\n  if (points.on) yield at.pte(ptep);\n  return ptepGetAndClear(mm.host, ptep);',
  ),
  mutant(
    'what was gathered is freed, then flushed',
    'mm/pagetable/mmuGather.ts',
    '    yield* this.flushTlb();\n    for (const folio of this.#folios.splice(0)) {\n      yield* freeSwapCache(host, folio);\n      yield* folioPut(host, folio);\n    }\n',
    '    for (const folio of this.#folios.splice(0)) {\n      yield* freeSwapCache(host, folio);\n      yield* folioPut(host, folio);\n    }\n    yield* this.flushTlb();\n',
  ),
  {
    name: 'reclaim reads the dirty bit before it clears the entry',
    edits: [
      {
        file: 'mm/rmap/tryToUnmap.ts',
        find: '  ptepGetAndClear,\n',
        replace: '  ptepGetAndClear,\n  readPte,\n',
      },
      {
        file: 'mm/rmap/tryToUnmap.ts',
        find: '  const pte = ptepGetAndClear(host, ptep);\n',
        replace:
          '  const pte = readPte(host, ptep);\n  if (points.on) yield at.pte(ptep);\n  ptepGetAndClear(host, ptep);\n',
      },
    ],
  },
  mutant(
    'zap reads the dirty bit before it clears the entry',
    'mm/pagetable/zap.ts',
    '  const last = ptepGetAndClear(host, ptep);\n',
    '  const last = readPte(host, ptep);\n  if (points.on) yield at.pte(ptep);\n  ptepGetAndClear(host, ptep);\n',
  ),
  mutant(
    'reclaim ends before it unmaps',
    'mm/rmap/tryToUnmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const ptep = yield* lockMappedPte(vma, pfn, address);\n  let unmapped = true;\n  if (ptep !== 0) {\n    const isLocked = !ignoreMlock && (vma.flags & VM_LOCKED) !== 0;\n    // The mlock that got missed.\n    if (isLocked && isMlocking(vma)) yield* mlockFolio(mm.host, pfn);\n    unmapped = !isLocked && (yield* unmapPte(vma, pfn, address, ptep, batch));\n    yield* ptlOf(mm.host, ptep).unlock();\n  }\n  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n  return unmapped;',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n  const ptep = yield* lockMappedPte(vma, pfn, address);\n  let unmapped = true;\n  if (ptep !== 0) {\n    const isLocked = !ignoreMlock && (vma.flags & VM_LOCKED) !== 0;\n    // The mlock that got missed.\n    if (isLocked && isMlocking(vma)) yield* mlockFolio(mm.host, pfn);\n    unmapped = !isLocked && (yield* unmapPte(vma, pfn, address, ptep, batch));\n    yield* ptlOf(mm.host, ptep).unlock();\n  }\n  return unmapped;',
  ),
  mutant(
    'unregister unlinks before it releases',
    'notifier/register.ts',
    '  if (stillLinked && subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n  yield* srcu.readUnlock(index);\n  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n',
    '  yield* srcu.readUnlock(index);\n  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n  if (stillLinked && subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n',
  ),
  mutant(
    'vCPUs flush before the guest table is write-protected',
    'kvm/writeTrack.ts',
    '  if (yield* writeProtectGfn(kvm, slot, sp.gfn)) yield* kvmFlushRemoteTlbs(kvm);\n}',
    '  yield* kvmFlushRemoteTlbs(kvm);\n  yield* writeProtectGfn(kvm, slot, sp.gfn);\n}',
  ),
  mutant(
    'the kick comes before the request',
    'kvm/requests.ts',
    '    vcpu.makeRequest(request);\n    if (request !== Request.freeObsoleteRoots) kvm.trace.vcpu_flush_request?.(vcpu.index);\n    smpMb(kvm.sched);\n    if (vcpu.exitingGuestMode() === VcpuMode.inGuest) vcpu.hart.kick();\n',
    '    if (vcpu.exitingGuestMode() === VcpuMode.inGuest) vcpu.hart.kick();\n    if (points.on) yield at.vcpu(vcpu.index);\n    vcpu.makeRequest(request);\n    if (request !== Request.freeObsoleteRoots) kvm.trace.vcpu_flush_request?.(vcpu.index);\n',
  ),
  mutant(
    'vCPUs flush before their sptes are zapped',
    'kvm/notifierClient.ts',
    '    if (handler !== null) result = (yield* handler(kvm, slot, startGfn, endGfn)) || result;\n  }\n  if (locked) {\n    const flush = handler === unmapGfnRange && (result || (yield* someoneHoldsLoan(kvm)));\n    if (flush) yield* kvmFlushRemoteTlbs(kvm);\n',
    '    if (handler === unmapGfnRange) yield* kvmFlushRemoteTlbs(kvm);\n    if (handler !== null) result = (yield* handler(kvm, slot, startGfn, endGfn)) || result;\n  }\n  if (locked) {\n',
  ),
  mutant('who gets his turn keeps his reservation', 'kvm/reservation.ts', '  clearReservation(hart);\n', ''),
  mutant(
    'a device never ends its use of the process',
    'drivers/hmm.ts',
    '    yield* exitMm(mm);\n    return error;',
    '    return error;',
  ),
  mutant(
    'a gather that is done counts as pending',
    'mm/pagetable/mmuGather.ts',
    '    mm.tlbFlushPending--;\n',
    '',
  ),
  mutant(
    'a root that is obsolete keeps its reference',
    'kvm/roots.ts',
    '    vcpu.hart.setDirectRoot(NO_ROOT);\n    yield* release(vcpu, directRoot);\n',
    '    vcpu.hart.setDirectRoot(NO_ROOT);\n',
  ),
  mutant(
    'the copy of what was merged is empty',
    'mm/ksm/ksmCopy.ts',
    '  host.memory.copyFrame(copy, pfn);\n',
    '',
  ),
  mutant(
    'who comes second maps what is of another address by now',
    'mm/swap/swapIn.ts',
    'mapPage(vmf, copies ? yield* copyOfMerged(vmf.vma, pfn) : pfn, pfn, slot)',
    'mapPage(vmf, pfn, pfn, slot)',
  ),
  mutant(
    'who is alone with a merged page may write to it',
    'mm/swap/swapIn.ts',
    '    !host.frames.test(pfn, PG_ksm) && (isSwapPteExclusive',
    '    (isSwapPteExclusive',
  ),
  mutant(
    'faults come to where a page is being moved',
    'mm/vma/moveVma.ts',
    '  yield* host.locks.vmaStartWrite(mm, copy);\n',
    '',
  ),
  mutant(
    'ageing forgets what the process knows',
    'mm/rmap/referenced.ts',
    '(yield* mmuNotifierClearFlushYoung(mm, address, end)) || young',
    'yield* mmuNotifierClearFlushYoung(mm, address, end)',
  ),
  mutant(
    'a new huge page belongs to nobody',
    'mm/rmap/hugeRmap.ts',
    '  frames.setAnonExclusive(folio, folio, true);\n',
    '',
  ),
  mutant(
    'two fences sync an address at once',
    'kvm/roots.ts',
    '  if (!mmuLock.takeWrite()) yield* mmuLock.wait();\n  if (!root.invalid)',
    '  if (!mmuLock.takeRead()) yield* mmuLock.wait(false);\n  if (!root.invalid)',
  ),
  mutant(
    'a page of a file moves though somebody has come meanwhile',
    'mm/migrate/migrateFolio.ts',
    '    if (!(yield* moveInPageCache(mapping, to, from, expected))) return -Errno.EAGAIN;\n',
    '    yield* moveInPageCache(mapping, to, from, expected);\n',
  ),
];
