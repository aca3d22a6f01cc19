// Mutants of the way down: the fault, the shadow tables that it fills, their zapping and write protection (kvm/).

import { type Mutant, mutant } from './mutant.ts';

export const SHADOW: readonly Mutant[] = [
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
      '  const answer = yield* installUnderLock(vcpu, slot, leaf, sequence, address);\n  yield* putPage(kvm.host, leaf.pfn);',
      '  yield* putPage(kvm.host, leaf.pfn);\n  const answer = yield* installUnderLock(vcpu, slot, leaf, sequence, address);',
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
    '    if (guestWalk.hasChanged(level - 1, tableSlot)) return RetPf.retry;\n',
    '',
  ),
  mutant(
    'a fence syncs nothing',
    'kvm/sync.ts',
    '    unmarkUnsync(kvm, sp);\n    yield* syncPage(kvm, sp, invalidList);\n',
    '    unmarkUnsync(kvm, sp);\n',
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
    'an unsync page is used anew as it is',
    'kvm/mmu.ts',
    '  if (found?.unsync && !(yield* syncPage(kvm, found, invalidList))) found = null;\n',
    '',
  ),
  mutant(
    'a leaf is replaced and no TLB flushed',
    'kvm/mmu.ts',
    '    yield* zapPte(kvm, sp, sptep);\n    yield* kvmFlushRemoteTlbs(kvm);\n',
    '    yield* zapPte(kvm, sp, sptep);\n',
  ),
  mutant(
    'the leaf that was there keeps its rmap',
    'kvm/mmu.ts',
    '    yield* zapPte(kvm, sp, sptep);\n    yield* kvmFlushRemoteTlbs(kvm);\n',
    '    yield* kvmFlushRemoteTlbs(kvm);\n',
  ),
  mutant(
    'a child that is unlinked stays in the table',
    'kvm/zap.ts',
    '  if (child.unsync || child.unsyncChildren > 0) clearUnsyncChild(kvm, sptep);\n  if (points.on) yield at.spte(sptep);\n  exchangeSpte(kvm.memory, sptep, 0);\n',
    '  if (child.unsync || child.unsyncChildren > 0) clearUnsyncChild(kvm, sptep);\n',
  ),
  mutant(
    'a page that is zapped stays in its parent',
    'kvm/zap.ts',
    '  sp.parents.delete(sptep);\n  if (points.on) yield at.spte(sptep);\n  exchangeSpte(kvm.memory, sptep, 0);\n}\n\n/** mmu_zap',
    '  sp.parents.delete(sptep);\n}\n\n/** mmu_zap',
  ),
  {
    ...mutant(
      'unsync children are left when their parent goes',
      'kvm/zap.ts',
      '  yield* zapUnsyncChildren(kvm, sp, invalidList);\n',
      '',
    ),
    equivalent: 'Nobody walks what no table points to, and who links it again syncs it first.',
  },
  {
    ...mutant(
      'nobody is asked to let go of a root that was zapped',
      'kvm/zap.ts',
      '  else yield* kvmMakeAllCpusRequest(kvm, Request.freeObsoleteRoots);\n',
      '',
    ),
    equivalent:
      'Such a root is empty: whoever walks it faults, and looks at his roots before he enters again.',
  },
  {
    ...mutant(
      'a fault goes on below a root that was zapped',
      'kvm/pageFault.ts',
      'kvm.vmDead || vcpu.root?.invalid || vcpu.directRoot?.invalid',
      'kvm.vmDead',
    ),
    equivalent: 'It has no children any more, and none is linked below a page that is invalid.',
  },
  mutant(
    'huge leaves stay',
    'kvm/zap.ts',
    '  for (const sptep of huge) yield* dropSpte(kvm, kvm.pageOfSptep(sptep), sptep);\n',
    '',
  ),
  mutant(
    'huge leaves go without a flush',
    'kvm/zap.ts',
    '  let flush = huge.length > 0;',
    '  let flush = huge.length < 0;',
  ),
  mutant(
    'a leaf is huge whatever the host maps',
    'kvm/mappingLevel.ts',
    'hostMappingLevel(kvm.mm, slot.hvaOf(gfn)) === 0 || !isUniform',
    '!isUniform',
  ),
  mutant(
    'a fence of one address syncs nothing',
    'kvm/sync.ts',
    '      if (sp.unsync) yield* syncLeafOrDrop(',
    '      if (sp.invalid) yield* syncLeafOrDrop(',
  ),
  mutant(
    'a root is not synced for a fence',
    'kvm/roots.ts',
    '  if (root.unsyncChildren > 0) yield* syncChildren(vcpu.kvm, root);\n',
    '',
  ),
  mutant(
    'nobody above hears of an unsync table',
    'kvm/unsyncTree.ts',
    '  sp.unsync = true;\n  for (const sptep of sp.parents) setUnsyncChild(kvm, sptep);\n',
    '  sp.unsync = true;\n',
  ),
  mutant(
    'a store that traps zaps nothing',
    'kvm/emulate.ts',
    '      yield* kvmTrackWriteLocked(kvm, target.gpa, target.length);\n',
    '',
  ),
  {
    ...mutant(
      'a fence leaves the TLB as it is',
      'kvm/vcpu.ts',
      '  if (fence.page === null) vcpu.hart.flushAll();\n  else vcpu.hart.flushPage(fence.page);\n',
      '',
    ),
    equivalent:
      'Whatever takes an spte away, or narrows it, has every vCPU flush; so after the sync of the fence the TLB has what the tables permit.',
  },
  mutant(
    'the sequence is sampled when the page is known',
    'kvm/pageFault.ts',
    '  const sequence = kvm.mmuInvalidateSeq;\n  const page = yield* getUserPage(kvm.mm, slot.hvaOf(gfn), write);\n',
    '  const page = yield* getUserPage(kvm.mm, slot.hvaOf(gfn), write);\n  if (points.on) yield at.sequence(kvm.id);\n  const sequence = kvm.mmuInvalidateSeq;\n',
  ),
  mutant(
    'write protection drops A and D',
    'kvm/spte.ts',
    '(spte & ~(PTE_A | PTE_D)) | (old & (PTE_A | PTE_D))',
    'spte & ~(PTE_A | PTE_D)',
  ),
];
