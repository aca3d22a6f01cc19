// Mutants of reclaim: ageing, unmapping, writing out, freeing.

import { type Mutant, mutant } from './mutant.ts';

export const RECLAIM: readonly Mutant[] = [
  mutant(
    'reclaim calls no start',
    'mm/rmap/tryToUnmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'reclaim calls no end',
    'mm/rmap/tryToUnmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'reclaim starts late',
    'mm/rmap/tryToUnmap.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const ptep = yield* lockMappedPte(vma, pfn, address);\n  let unmapped = true;',
    '  const ptep = yield* lockMappedPte(vma, pfn, address);\n  let unmapped = true;\n  if (range !== null && ptep === 0) yield* mmuNotifierInvalidateRangeStart(range);',
  ),
  mutant(
    'no slot reference for the swap entry',
    'mm/rmap/tryToUnmap.ts',
    '    yield* swapDuplicate(host, slot);\n',
    '',
  ),
  mutant('the rmap of the host stays', 'mm/rmap/tryToUnmap.ts', '  yield* removeRmap(vma, page);\n', ''),
  {
    ...mutant(
      'a mapped page counts as clean',
      'mm/reclaim/shrinkFolioList.ts',
      "if (frames.maps(pfn) > 0) return 'activate_locked';",
      '',
    ),
    equivalent:
      'Each mapping holds a reference, so that the page is not written, nor can its references be frozen: it is kept all the same.',
  },
  {
    ...mutant(
      'a page in use is freed',
      'mm/reclaim/shrinkFolioList.ts',
      "  if (frames.count(pfn) !== 1 + frames.nrPages(pfn)) return 'keep_locked';\n",
      '',
    ),
    equivalent:
      'It is written in vain, and kept: to be freed its references are frozen, which fails as long as anybody has one.',
  },
  mutant(
    'dirty pages are dropped',
    'mm/reclaim/shrinkFolioList.ts',
    '    const verdict = yield* pageout(host, pfn, list, stat);\n    if (verdict !== null) return verdict;\n',
    '',
  ),
  mutant(
    'reclaim drops the dirty bit of a PTE',
    'mm/rmap/tryToUnmap.ts',
    '  if ((pte & PTE_D) !== 0) {\n    if (points.on) yield at.page(pfn);\n    folioMarkDirty(host, pfn);\n  }\n  if (lazyfree',
    '  if (lazyfree',
  ),
  mutant(
    'reclaim writes before it flushes',
    'mm/reclaim/shrinkFolioList.ts',
    '    yield* sc.batch.flushDirty();\n',
    '',
  ),
  mutant(
    'reclaim frees before it flushes',
    'mm/reclaim/shrinkFolioList.ts',
    '  yield* sc.batch.flush();\n  for',
    '  for',
  ),
  mutant(
    'a dropped page may be dirty',
    'mm/rmap/tryToUnmap.ts',
    '  if (frames.test(pfn, PG_dirty)) {\n    frames.set(pfn, PG_swapbacked);\n    return false;\n  }\n',
    '',
  ),
  mutant(
    'a copy is shown before CPUs have let go',
    'mm/rmap/rmap.ts',
    '  if (isAccessible(mm, pte)) yield* flushTlbPage(mm, address);\n',
    '',
  ),
  mutant(
    'reverse mapping believes in any entry',
    'mm/rmap/rmap.ts',
    '(pte) => isPresentPte(pte) && ptePfn(pte) === pfn)',
    '(pte) => isPresentPte(pte))',
  ),
  mutant(
    'ageing forgets what secondary MMUs know',
    'mm/proc/pageIdle.ts',
    '    young = (yield* mmuNotifierClearYoung(mm, address, (address + bytes) as Hva)) || young;\n',
    '',
  ),
  mutant(
    'who is used is idle all the same',
    'mm/page/folio.ts',
    '  host.frames.clear(pfn, PG_idle);\n  if (!host',
    '  if (!host',
  ),
  mutant(
    'reclaim asks no secondary MMU who is young',
    'mm/rmap/referenced.ts',
    '  return (yield* mmuNotifierClearFlushYoung(mm, address, end)) || young;',
    '  return end > 0 && young;',
  ),
  mutant(
    'a page that became dirty is dropped',
    'mm/reclaim/shrinkFolioList.ts',
    '  const clean = !frames.test(pfn, PG_dirty);',
    '  const clean = true;',
  ),
  mutant(
    "a page in swap counts as its process's alone",
    'mm/rmap/tryToUnmap.ts',
    'makeSwapPte(slot, exclusive,',
    'makeSwapPte(slot, true,',
  ),
  {
    ...mutant(
      'a pinned page is swapped',
      'mm/rmap/rmap.ts',
      '  if (frames.isMaybePinned(folio)) return false;\n',
      '',
    ),
    equivalent:
      'Reclaim looks for pins once more when nothing maps the page; and who faults meanwhile gets the same page, from the swap cache.',
  },
  {
    ...mutant(
      'the swap cache is not looked at again',
      'mm/swap/swapCache.ts',
      '    const same = swap.folioOf(slot) === pfn;',
      '    const same = true;',
    ),
    equivalent: 'Every caller looks at the folio again when he has its lock.',
  },
  mutant(
    'who unmaps does not hear what reclaim owes',
    'mm/pagetable/tlbFlush.ts',
    '    mm.tlbBatchPending++;\n',
    '',
  ),
  mutant(
    'a batch flushes the CPUs of the last process',
    'mm/pagetable/tlbFlush.ts',
    '    this.#mask |= mm.cpuMask;',
    '    this.#mask = mm.cpuMask;',
  ),
  mutant(
    'no page is written to by a TLB',
    'mm/pagetable/tlbFlush.ts',
    '    if ((pte & PTE_D) !== 0) this.#writable = true;\n',
    '',
  ),
  mutant(
    'a page table is believed to be there',
    'mm/pagetable/pte.ts',
    '  if (isStillMapped(mm, address, ptep)) return true;\n  yield* ptl.unlock();\n  return false;',
    '  return address !== -1;',
  ),
  {
    ...mutant(
      'reclaim believes in the anon_vma that it has seen',
      'mm/rmap/rmapWalk.ts',
      '  if (folioAnonVma(host, pfn) !== anonVma) {',
      '  if (pfn < 0) {',
    ),
    equivalent:
      'Without the lock of the folio walks only who asks who is young (the active list, idle pages): what he misses stays in the entry, and an entry of another page is told by its frame.',
  },
];
