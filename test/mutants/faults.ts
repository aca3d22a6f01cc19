// Mutants of the host's own faults: what was looked at must be looked at again.

import { type Mutant, mutant } from './mutant.ts';

export const FAULTS: readonly Mutant[] = [
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
  mutant(
    'a fault does not wait for a page that moves',
    'mm/fault.ts',
    '  yield* folioLocks.wait(frames.folioOf(migrationPfn(origPte)), PG_locked);\n',
    '',
  ),
  mutant(
    'copy-on-write keeps the rmap',
    'mm/copyOnWrite.ts',
    '    if (old !== 0) yield* removeRmap(vma, old as Pfn);\n    else ksm',
    '    if (old === 0) ksm',
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
    'the handler of stores is not asked',
    'mm/copyOnWrite.ts',
    '  if (!unshares && (vmf.vma.flags & VM_UFFD_WP) !== 0 && isUffdWp(host, vmf.ptep)) {',
    '  if (unshares && isUffdWp(host, vmf.ptep)) {',
  ),
];
