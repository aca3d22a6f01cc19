// Mutants of reclaim: ageing, unmapping, writing out, freeing.

import { type Mutant, mutant } from './mutant.ts';

export const RECLAIM: readonly Mutant[] = [
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
  mutant(
    'reclaim drops the dirty bit of a PTE',
    'mm/tryToUnmap.ts',
    '  if ((pte & PTE_D) !== 0) {\n    if (points.on) yield at.page(pfn);\n    folioMarkDirty(host, pfn);\n  }\n  if (lazyfree',
    '  if (lazyfree',
  ),
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
    'a dropped page may be dirty',
    'mm/tryToUnmap.ts',
    '  if (frames.test(pfn, PG_dirty)) {\n    frames.set(pfn, PG_swapbacked);\n    return false;\n  }\n',
    '',
  ),
  mutant(
    'a copy is shown before CPUs have let go',
    'mm/rmap.ts',
    '  if (isAccessible(mm, pte)) yield* flushTlbPage(mm, address);\n',
    '',
  ),
  mutant(
    'reverse mapping believes in any entry',
    'mm/rmap.ts',
    '(pte) => isPresentPte(pte) && ptePfn(pte) === pfn)',
    '(pte) => isPresentPte(pte))',
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
];
