// What a CPU, or a device that shares its tables, still has: entries are out of the page table, and the flush comes too
// late, or not at all.

import type { Exhibit } from './exhibit.ts';

export const cpuTlbs: readonly Exhibit[] = [
  {
    name: 'mremap-flushes-late',
    title: 'mremap lets go of the page table locks and only then flushes',
    source: 'CVE-2018-18281, eb66ae030829 (mremap: properly flush TLB before releasing the page)',
    invariant: 'I1',
    scenario: 'mremap',
    edits: [
      {
        file: 'mm/vma/movePageTables.ts',
        find: `  if (forceFlush) yield* flushTlbRange(mm, start, (start + bytes) as Hva);
  if (newPtl !== oldPtl) yield* newPtl.unlock();
  yield* oldPtl.unlock();
`,
        replace: `  if (newPtl !== oldPtl) yield* newPtl.unlock();
  yield* oldPtl.unlock();
  if (forceFlush) yield* flushTlbRange(mm, start, (start + bytes) as Hva);
`,
      },
    ],
    preemptions: 1,
    steps: 134,
    budget: { bounded: 4000, pos: 12_000 },
    story:
      'The entry stands at its new address, where whoever cuts the page out of its file finds it: he ' +
      'clears it, flushes the new address, and frees the page. The CPU that has it at the old address has ' +
      'not been flushed yet.',
    fix: 'The old range is flushed while both page table locks are held: nobody finds the page before.',
  },
  {
    name: 'copy-shown-first',
    title: 'Copy-on-write shows the new page before the CPUs have let go of the old one',
    source: 'the order that Documentation/mm/mmu_notifier.rst forbids (clear, notify, then set)',
    invariant: 'I2',
    scenario: 'cow-read',
    edits: [
      {
        file: 'mm/fault/copyOnWrite.ts',
        find: '    yield* ptepClearFlush(mm, address, ptep);\n',
        replace: '',
      },
      {
        file: 'mm/fault/copyOnWrite.ts',
        find: '    setPte(host, ptep, unshares ? entry : maybeMkWrite(entry, vma));\n',
        replace: `    setPte(host, ptep, unshares ? entry : maybeMkWrite(entry, vma));
    yield* flushTlbPage(mm, address);
`,
      },
    ],
    preemptions: 0,
    steps: 28,
    budget: { bounded: 100, pos: 50 },
    story:
      'One CPU stores to the copy and then sets a flag elsewhere; another sees the flag, reads the page through its old ' +
      'entry, and does not see the store. No page was freed; only the order is wrong.',
    fix: 'ptep_clear_flush(): the entry is cleared and every TLB flushed before the new page is set, all under the lock.',
  },
  {
    name: 'zap-flushes-late',
    title: 'A dirty page counts as unmapped while CPUs can still store to it',
    source: '1cf35d47712d (mm: split tlb_flush_mmu() into tlb flushing and memory freeing parts)',
    invariant: 'I3',
    scenario: 'drop-writeback',
    edits: [
      {
        file: 'mm/pagetable/zap.ts',
        find: '  if ((pte & PTE_D) !== 0) gather.delayRmap(pfn);\n  else yield* removeRmap(vma, pfn);',
        replace: '  yield* removeRmap(vma, pfn);',
      },
    ],
    preemptions: 0,
    steps: 48,
    budget: { bounded: 100, pos: 1000 },
    story:
      'The mapping is dropped, the flush put off. Writeback finds no mapping to clean, writes the page ' +
      'and calls it clean. Then a CPU stores through the entry that it still has: nobody will ever write ' +
      'that to the disk.',
    fix: 'A dirty file page keeps its mapping until the CPUs are flushed, and they are flushed under the page table lock.',
  },
  {
    name: 'batch-forgotten',
    title: 'mprotect finds nothing to protect and returns, while reclaim owes the CPUs a flush',
    source:
      '3ea277194daa (mm, mprotect: flush TLB if potentially racing with a parallel reclaim leaving stale TLB entries)',
    invariant: 'I5',
    scenario: 'batched-flush',
    edits: [
      {
        file: 'mm/pagetable/pagewalk.ts',
        find: '  if (changes) yield* flushTlbBatchedPending(mm);\n',
        replace: '',
      },
    ],
    preemptions: 0,
    steps: 160,
    budget: { bounded: 4000, pos: 1000 },
    story:
      'Reclaim has cleared the entry and put the flush off, to do one for many pages. mprotect() sees an ' +
      'entry that is not present, has nothing to flush, and returns; a CPU goes on storing to the page ' +
      'that was just protected.',
    fix:
      'Whoever takes the page table lock in such a call first does the flush that reclaim owes ' +
      '(flush_tlb_batched_pending).',
  },
  {
    name: 'hint-not-flushed',
    title: 'A page moves away from a CPU whose entry was made inaccessible and not yet flushed',
    source: '20841405940e (mm: fix TLB flush race between migration, and change_protection_range)',
    invariant: 'I1',
    scenario: 'numa-migrate',
    edits: [
      {
        file: 'mm/pagetable/pte.ts',
        find: `export const isAccessible = ({ tlbFlushPending }: Mm, pte: number): boolean =>
  isPresent(pte) || (isProtNone(pte) && tlbFlushPending > 0);`,
        replace: 'export const isAccessible = (_mm: Mm, pte: number): boolean => isPresent(pte);',
      },
    ],
    preemptions: 0,
    steps: 90,
    budget: { bounded: 100, pos: 2000 },
    story:
      'NUMA balancing makes an entry inaccessible and puts the flush off. The access of another thread ' +
      'faults and moves the page: the entry says that no CPU can have it, so nothing is flushed. One CPU ' +
      'has it, and stores to the old page, which is free by now.',
    fix:
      'An entry without permissions counts as accessible as long as a flush of its address space is ' +
      'pending (pte_accessible).',
  },
  {
    name: 'kicked-too-early',
    title: 'A client that looks again when it is kicked is kicked before the page table changes',
    source: 'e649b3f0188f (KVM: x86: Fix APIC page invalidation race)',
    invariant: 'I3',
    scenario: 'iommu',
    edits: [
      {
        file: 'mm/rmap/tryToUnmap.ts',
        find: `  const pte = ptepGetAndClear(host, ptep);
  if (!isPresentPte(pte)) bug('mapped PTE vanished under its lock', { ptep });
  yield* batch.add(mm, address, pte);`,
        replace: `  yield* batch.add(mm, address, host.memory.i32[ptep >>> 2]!);
  if (points.on) yield at.pte(ptep);
  const pte = ptepGetAndClear(host, ptep);`,
      },
    ],
    preemptions: 2,
    steps: 103,
    budget: { bounded: 8000, pos: 8000 },
    story:
      'The client is told, lets go, and looks the page up again at once: the entry is still there. Then the entry is ' +
      'cleared, and nobody tells the client a second time. The APIC page of Windows guests was lost like this.',
    fix: 'Who keeps what he finds in the page table is told after it has changed, under the page table lock.',
  },
];
