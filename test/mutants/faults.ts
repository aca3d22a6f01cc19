// Mutants of the host's own faults: what was looked at must be looked at again.

import { type Mutant, mutant } from './mutant.ts';

export const FAULTS: readonly Mutant[] = [
  mutant(
    'copy-on-write starts nothing',
    'mm/fault/copyOnWrite.ts',
    '  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);\n  const copied',
    '  const copied',
  ),
  mutant(
    'copy-on-write does not look again',
    'mm/fault/copyOnWrite.ts',
    'const same = readPte(host, ptep) === vmf.origPte;',
    'const same = true;',
  ),
  mutant(
    'copy-on-write sees nobody else',
    'mm/fault/copyOnWrite.ts',
    '  if (pfn !== 0 && (yield* canReuse(vmf.vma, pfn as Pfn))) {',
    '  if (pfn !== 0) {',
  ),
  mutant(
    'swap-in does not look again',
    'mm/swap/swapIn.ts',
    '  if (readPte(host, vmf.ptep) !== vmf.origPte) return 0;\n',
    '',
  ),
  mutant(
    'swap-in believes in any folio',
    'mm/swap/swapIn.ts',
    '  if (!frames.test(pfn, PG_swapcache) || frames.private[pfn] !== slot) {',
    '  if (pfn < 0) {',
  ),
  mutant(
    'a fault does not wait for a page that moves',
    'mm/fault/fault.ts',
    '  yield* folioLocks.wait(frames.folioOf(migrationPfn(origPte)), PG_locked);\n',
    '',
  ),
  mutant(
    'copy-on-write keeps the rmap',
    'mm/fault/copyOnWrite.ts',
    '    if (old !== 0) yield* removeRmap(vma, old as Pfn);\n    else ksm',
    '    if (old === 0) ksm',
  ),
  mutant(
    'an anonymous fault does not look again',
    'mm/fault/fault.ts',
    '  if (readPte(mm.host, ptep) !== 0) return 0;\n',
    '',
  ),
  mutant(
    'a write fault does not look again',
    'mm/fault/fault.ts',
    '  const same = readPte(host, vmf.ptep) === vmf.origPte;\n  const write',
    '  const same = true;\n  const write',
  ),
  mutant(
    'a hint fault does not look again',
    'mm/fault/numaFault.ts',
    '  const same = readPte(vma.mm.host, ptep) === origPte;',
    '  const same = ptep !== 0;',
  ),
  mutant(
    'the handler of stores is not asked',
    'mm/fault/copyOnWrite.ts',
    '  if (!unshares && (vmf.vma.flags & VM_UFFD_WP) !== 0 && isUffdWp(host, vmf.ptep)) {',
    '  if (unshares && isUffdWp(host, vmf.ptep)) {',
  ),
  mutant(
    'a fault believes in the page table that it has found',
    'mm/fault/fault.ts',
    '    if (!isStillMapped(mm, page, vmf.ptep)) return 0;\n',
    '',
  ),
  mutant(
    'who pins gets what is shared',
    'mm/fault/gup.ts',
    "  if (take === 'pin' && !write && isShared) return false;\n",
    '',
  ),
  mutant(
    'swap-in takes any page for its own',
    'mm/swap/swapIn.ts',
    '(isSwapPteExclusive(vmf.origPte) || host.frames.count(pfn) === 1)',
    'host.frames.count(pfn) > 0',
  ),
  {
    ...mutant(
      'a store does not wait for who protects',
      'mm/fault/copyOnWrite.ts',
      '  if ((vmf.vma.flags & VM_UFFD_WP) !== 0 && vmf.vma.mm.tlbFlushPending > 0)\n    yield* flushTlbPage(vmf.vma.mm, vmf.address);\n',
      '',
    ),
    equivalent:
      "Only a page that is the process's alone is writable in a TLB, and such a page is not copied.",
  },
  mutant(
    'a shared page becomes writable unseen',
    'mm/fault/fileFault.ts',
    '  const same = readPte(vmf.vma.mm.host, vmf.ptep) === vmf.origPte;\n  if (same) yield* wpPageReuse(vmf);',
    '  const same = true;\n  if (same) yield* wpPageReuse(vmf);',
  ),
  mutant(
    'a file fault does not look again',
    'mm/fault/fileFault.ts',
    '  const isNone = readPte(mm.host, vmf.ptep) === 0;',
    '  const isNone = true;',
  ),
  mutant(
    'a page that was truncated is mapped',
    'mm/fault/filemapFault.ts',
    '    const stays = folioInMapping(mapping, pfn);',
    '    const stays = true;',
  ),
  mutant(
    'a page of shmem that was truncated is mapped',
    'mm/shmem/shmemFolio.ts',
    '  if (folioInMapping(mapping, pfn)) return pfn;\n',
    '  if (pfn > 0) return pfn;\n',
  ),
  mutant(
    'copy-on-write flushes nobody',
    'mm/fault/copyOnWrite.ts',
    '    yield* ptepClearFlush(mm, address, ptep);\n',
    '    if (points.on) yield at.pte(ptep);\n    setPte(host, ptep, 0);\n',
  ),
];
