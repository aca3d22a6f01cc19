// Mutants of files: writeback, truncation.

import { type Mutant, mutant } from './mutant.ts';

export const FILES: readonly Mutant[] = [
  mutant(
    'writeback starts nothing',
    'mm/rmap/mkclean.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  sum.cleaned',
    '  sum.cleaned',
  ),
  mutant('writeback leaves pages writable', 'mm/rmap/mkclean.ts', 'pte & ~(PTE_D | PTE_W)', 'pte & ~PTE_D'),
  mutant(
    'writeback flushes nothing',
    'mm/rmap/mkclean.ts',
    'const pte = yield* ptepClearFlush(vma.mm, address, ptep);',
    'const pte = readPte(host, ptep);',
  ),
  mutant(
    'writeback looks at no PTE',
    'mm/filemap/writeback.ts',
    'if ((yield* folioMkclean(host, pfn)) > 0)',
    'if (pfn < 0)',
  ),
  mutant(
    'a file is cut without a start',
    'mm/filemap/truncate.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n',
    '',
  ),
  mutant(
    'a file is cut without an end',
    'mm/filemap/truncate.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'writeback never ends',
    'mm/rmap/mkclean.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);\n',
    '',
  ),
  mutant(
    'a page counts as clean before it is write-protected',
    'mm/filemap/writeback.ts',
    '  if ((yield* folioMkclean(host, pfn)) > 0) {\n    if (points.on) yield at.page(pfn);\n    folioMarkDirty(host, pfn);\n  }\n  if (points.on) yield at.page(pfn);\n  const dirty = host.frames.testAndClear(pfn, PG_dirty);\n',
    '  if (points.on) yield at.page(pfn);\n  const dirty = host.frames.testAndClear(pfn, PG_dirty);\n  yield* folioMkclean(host, pfn);\n',
  ),
  mutant(
    'a page that was mapped again is cut out',
    'mm/filemap/truncate.ts',
    '  if (host.frames.maps(pfn) > 0) yield* unmapMappingPages(mapping, index, pages, false);\n',
    '',
  ),
];
