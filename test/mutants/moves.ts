// Mutants of pages that change their frames: migration, merging, collapsing, splitting.

import { type Mutant, mutant } from './mutant.ts';

export const MOVES: readonly Mutant[] = [
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
    'pages are merged while CPUs still store to them',
    'mm/ksmMerge.ts',
    '  const pte = yield* ptepClearFlush(mm, address, ptep);\n  if (points.on) yield at.page(pfn);\n',
    '  if (points.on) yield at.pte(ptep);\n  const pte = readPte(host, ptep);\n  if (points.on) yield at.page(pfn);\n',
  ),
  mutant(
    'a collapse copies while CPUs still store',
    'mm/pmd.ts',
    '  ptepGetAndClear(mm.host, pmdp);\n  yield* flushTlbRange(mm, address, (address + HPAGE_PMD_SIZE) as Hva);\n',
    '  ptepGetAndClear(mm.host, pmdp);\n',
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
    'a page that moves keeps its rmap',
    'mm/tryToMigrate.ts',
    '  yield* folioRemoveRmap(vma, page);\n',
    '',
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
    'a page in use is collapsed',
    'mm/collapsePages.ts',
    'frames.count(folio) !== frames.maps(folio) + Number(frames.test(folio, PG_swapcache));',
    'frames.count(folio) < frames.maps(folio) + Number(frames.test(folio, PG_swapcache));',
  ),
];
