// Mutants of pages that change their frames: migration, merging, collapsing, splitting.

import { type Mutant, mutant } from './mutant.ts';

export const MOVES: readonly Mutant[] = [
  mutant(
    'a page moves while CPUs still store to it',
    'mm/migrate/migrate.ts',
    '  if (batch !== null) yield* batch.flush();\n',
    '',
  ),
  mutant(
    'a migration without a start',
    'mm/migrate/tryToMigrate.ts',
    '  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);\n  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);\n',
  ),
  mutant(
    'a page moves away from who has a reference',
    'mm/migrate/migrateFolio.ts',
    '  if (frames.count(from) !== expected) return -Errno.EAGAIN;\n',
    '',
  ),
  mutant(
    'merging starts nothing',
    'mm/ksm/ksmMerge.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'a collapse starts nothing',
    'mm/thp/collapse.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'a collapse ends before it has unhooked',
    'mm/thp/collapse.ts',
    '  yield* mm.pageTableLock.unlock();\n  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n}',
    '  yield* mm.pageTableLock.unlock();\n}',
  ),
  mutant(
    'a huge page is split without a start',
    'mm/thp/splitPmd.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'pages are merged while CPUs still store to them',
    'mm/ksm/ksmMerge.ts',
    '  const pte = yield* ptepClearFlush(mm, address, ptep);\n  if (points.on) yield at.page(pfn);\n',
    '  if (points.on) yield at.pte(ptep);\n  const pte = readPte(host, ptep);\n  if (points.on) yield at.page(pfn);\n',
  ),
  mutant(
    'a collapse copies while CPUs still store',
    'mm/pagetable/pmd.ts',
    '  ptepGetAndClear(mm.host, pmdp);\n  yield* flushTlbRange(mm, address, (address + HPAGE_PMD_SIZE) as Hva);\n',
    '  ptepGetAndClear(mm.host, pmdp);\n',
  ),
  mutant(
    'migration drops the dirty bit',
    'mm/migrate/tryToMigrate.ts',
    '  if ((pte & PTE_D) !== 0) {\n    if (points.on) yield at.page(pfn);\n    folioMarkDirty(host, pfn);\n  }\n',
    '',
  ),
  mutant(
    'merging drops the dirty bit',
    'mm/ksm/ksmMerge.ts',
    '  if ((pte & PTE_D) !== 0) folioMarkDirty(host, pfn);\n',
    '',
  ),
  mutant(
    'the new frame is clean',
    'mm/migrate/migrateFolio.ts',
    '  if (dirty) frames.set(to, PG_dirty);\n',
    '',
  ),
  mutant(
    'the content stays behind',
    'mm/migrate/migrateFolio.ts',
    '  host.memory.copyFrame(to, from);\n',
    '',
  ),
  mutant(
    'a page that is merged keeps its rmap',
    'mm/ksm/ksmMerge.ts',
    '  yield* removeRmap(vma, old);\n',
    '',
  ),
  mutant(
    'a page that moves keeps its rmap',
    'mm/migrate/tryToMigrate.ts',
    '  yield* folioRemoveRmap(vma, page);\n',
    '',
  ),
  mutant(
    'a merge does not look again',
    'mm/ksm/ksmMerge.ts',
    '  const same = readPte(host, ptep) === original;',
    '  const same = original !== 0;',
  ),
  mutant(
    'pages are not compared for good',
    'mm/ksm/ksmMerge.ts',
    '    if (comparePages(host, pfn, kpage as Pfn) === 0)\n      error',
    '    error',
  ),
  mutant(
    'a page with other references is merged',
    'mm/ksm/ksmMerge.ts',
    '  if (frames.count(pfn) !== frames.maps(pfn) + 1 + cached) {',
    '  if (frames.count(pfn) < 0) {',
  ),
  mutant(
    'a page in use is collapsed',
    'mm/thp/collapsePages.ts',
    'frames.count(folio) !== frames.maps(folio) + Number(frames.test(folio, PG_swapcache));',
    'frames.count(folio) < frames.maps(folio) + Number(frames.test(folio, PG_swapcache));',
  ),
  mutant(
    'a page that has moved is writable',
    'mm/migrate/tryToMigrate.ts',
    '(isWritableMigrationPte(entry) ? PTE_W : 0)',
    '(isWritableMigrationPte(entry) ? PTE_W : PTE_W)',
  ),
  mutant(
    'a migration never ends',
    'mm/migrate/tryToMigrate.ts',
    '    yield* ptlOf(mm.host, ptep).unlock();\n  }\n  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n  return unmapped;',
    '    yield* ptlOf(mm.host, ptep).unlock();\n  }\n  return unmapped;',
  ),
  mutant(
    'a huge page is split without a start for its migration',
    'mm/migrate/tryToMigrate.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const stays',
    '  const stays',
  ),
  {
    ...mutant(
      'a huge page is taken apart while CPUs store to it',
      'mm/thp/splitFolio.ts',
      '    yield* tryToMigrateLarge(anonVma, folio, index, batch);\n    yield* batch.flush();\n',
      '    yield* tryToMigrateLarge(anonVma, folio, index, batch);\n',
    ),
    equivalent:
      'Its pages keep their frames, and are dirty as soon as one entry was: a store by an old translation goes where it belongs.',
  },
  mutant(
    'the pages of a split are mapped no more',
    'mm/thp/splitFolio.ts',
    '    yield* removeMigrationPtesOfLarge(anonVma, folio, index, split);\n',
    '',
  ),
  mutant(
    'a file is collapsed while CPUs store to it',
    'mm/thp/collapseFile.ts',
    '  yield* batch.flush();\n  return taken;',
    '  return taken;',
  ),
  mutant(
    'a page of a file that somebody has is collapsed',
    'mm/thp/collapseFile.ts',
    'frames.count(folio) === 3',
    'frames.count(folio) >= 3',
  ),
  mutant(
    'a hole that was filled is collapsed',
    'mm/thp/collapseFile.ts',
    '  if (filled + holes !== HPAGE_PMD_NR) status = Scan.PAGE_FILLED;\n',
    '',
  ),
  {
    ...mutant(
      'page tables of shared memory stay',
      'mm/thp/collapseFile.ts',
      '  yield* retractPageTables(mapping, start);\n',
      '',
    ),
    equivalent: 'They are empty, and only in the way of a mapping by one entry.',
  },
  mutant(
    'entries are cleared without a start',
    'mm/thp/collapsePteMapped.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  result = yield*',
    '  result = yield*',
  ),
  mutant(
    'a table is retracted without a start',
    'mm/thp/collapsePteMapped.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const table',
    '  const table',
  ),
  mutant(
    'UFFDIO_MOVE starts nothing',
    'mm/userfaultfd/uffdMove.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'UFFDIO_MOVE never ends',
    'mm/userfaultfd/uffdMove.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'UFFDIO_MOVE does not look again',
    'mm/userfaultfd/uffdMovePte.ts',
    '  isSame &&= readPte(host, sourcePtep) === move.pte;\n',
    '',
  ),
  mutant(
    'UFFDIO_MOVE flushes nothing',
    'mm/userfaultfd/uffdMovePte.ts',
    '  if (moved > 0) yield* flushTlbRange(mm, move.source, (move.source + moved) as Hva);\n',
    '',
  ),
  mutant(
    'what UFFDIO_MOVE moves is looked for where it was',
    'mm/userfaultfd/uffdMovePte.ts',
    '  frames.index[folio] = to.indexOf((target + offset) as Hva);\n',
    '',
  ),
  mutant(
    'a huge page is split and never ended',
    'mm/thp/splitPmd.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'merging never ends',
    'mm/ksm/ksmMerge.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  {
    ...mutant(
      'a page of a file moves and leaves its dirty flag',
      'mm/migrate/migrateFolio.ts',
      '    yield* moveDirty(host, to, from);\n    if (points.on) yield at.page(to);\n',
      '    if (points.on) yield at.page(to);\n',
    ),
    equivalent: 'folio_migrate_flags() takes it over as well, and until then both folios are locked.',
  },
];
