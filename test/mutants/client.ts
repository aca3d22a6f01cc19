// Mutants of how a VM hears of the host's changes: its notifier client, the flushes that it asks of vCPUs, memslots (kvm/).

import { type Mutant, mutant } from './mutant.ts';

export const CLIENT: readonly Mutant[] = [
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
  mutant(
    'no kick',
    'kvm/requests.ts',
    '    if (vcpu.exitingGuestMode() === VcpuMode.inGuest) vcpu.hart.kick();\n',
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
    'the VM is dead when all is zapped',
    'kvm/notifierClient.ts',
    '      kvm.vmDead = true;\n      yield* kvmMmuZapAll(kvm);\n',
    '      yield* kvmMmuZapAll(kvm);\n      if (points.on) yield at.sequence(kvm.id);\n      kvm.vmDead = true;\n',
  ),
  mutant(
    'a memslot that goes is never INVALID',
    'kvm/memslots.ts',
    '    yield* installMemslots(kvm, [...others, new Memslot(old.region, old)]);\n',
    '',
  ),
  {
    ...mutant(
      'the memslot is not looked at again',
      'kvm/pageFault.ts',
      '!sameSlot || isPageFaultStale',
      'isPageFaultStale',
    ),
    equivalent:
      'Whoever changes a memslot zaps everything in between: the root is invalid, which is looked at as well.',
  },
  mutant('a request for pages flushes none', 'kvm/vcpu.ts', '      vcpu.hart.flushPage(page);\n', ''),
  mutant(
    'the count falls before the sequence is bumped',
    'kvm/notifierClient.ts',
    '      yield* handleHvaRange(kvm, range.start, range.end, null, () => {\n        if (!ended) endInvalidate(kvm);\n        ended = true;\n      });\n      yield* changeActiveCount(kvm, -1);\n',
    '      yield* changeActiveCount(kvm, -1);\n      yield* handleHvaRange(kvm, range.start, range.end, null, () => {\n        if (!ended) endInvalidate(kvm);\n        ended = true;\n      });\n',
  ),
];
