// Mutants of files: writeback, truncation.

import { type Mutant, mutant } from './mutant.ts';

export const FILES: readonly Mutant[] = [
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
];
