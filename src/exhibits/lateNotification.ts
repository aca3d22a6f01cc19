// Notifications that come at the wrong time: after the page table has changed and was unlocked.

import type { Exhibit } from './exhibit.ts';

export const lateNotification: readonly Exhibit[] = [
  {
    name: 'told-after-unlock',
    title: 'reclaim tells the client only after it has let go of the page table lock',
    source:
      'invalidate_page as it was from 2008 to 4.13; 369ea8242c0f (mm/rmap: update to new mmu_notifier semantic v2)',
    invariant: 'I1',
    scenario: 'pageout-warm',
    edits: [
      {
        file: 'mm/rmap/tryToUnmap.ts',
        find: `  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const ptep = yield* lockMappedPte(vma, pfn, address);`,
        replace: '  const ptep = yield* lockMappedPte(vma, pfn, address);',
      },
      {
        file: 'mm/rmap/tryToUnmap.ts',
        find: '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);',
        replace: `  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);`,
      },
    ],
    preemptions: 0,
    steps: 35,
    budget: { bounded: 100, pos: 50 },
    story:
      'From the moment at which the PTE is clear the host regards the page as its own; the guest goes on ' +
      'storing to it until the callback comes, and what it stores then is in no swap slot.',
    fix: 'invalidate_range_start comes before the PTE is touched, and everything is zapped and flushed when it returns.',
  },
  {
    name: 'no-remote-flush',
    title: 'The callback zaps the sptes and flushes no TLB',
    source:
      'skip-call mutation of kvm_mmu_notifier_invalidate_range_start; CVE-2022-0330 is the same in a GPU driver',
    invariant: 'I1',
    scenario: 'pageout-warm',
    edits: [
      {
        file: 'kvm/notifierClient.ts',
        find: 'if (flush) yield* kvmFlushRemoteTlbs(kvm);',
        replace: '',
      },
    ],
    preemptions: 0,
    steps: 51,
    budget: { bounded: 100, pos: 50 },
    story: 'The tables are right, the TLB is not: the guest reaches the freed frame without a walk.',
    fix: 'kvm_flush_remote_tlbs() under mmu_lock, before start returns; each vCPU has left the guest once by then.',
  },
  {
    name: 'collapse-tells-nobody',
    title: 'A collapse into a huge page takes a page table away and calls no notifier',
    source: 'CVE-2022-48991, f268f6cf875f (mm/khugepaged: invoke MMU notifiers in shmem/file collapse paths)',
    invariant: 'I1',
    scenario: 'collapse-shmem',
    edits: [
      {
        file: 'mm/thp/collapsePteMapped.ts',
        find: `  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  result = yield* clearEntries(vma, start, folio, first);`,
        replace: '  result = yield* clearEntries(vma, start, folio, first);',
      },
      {
        file: 'mm/thp/collapsePteMapped.ts',
        find: `  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  if (result === Scan.SUCCEED) yield* freeTable(mm, table);`,
        replace: '  if (result === Scan.SUCCEED) yield* freeTable(mm, table);',
      },
    ],
    preemptions: 0,
    steps: 537,
    budget: { bounded: 20, pos: 20 },
    story:
      'The entries are gone, and with them the only way by which whoever frees the page would come to tell its clients: ' +
      'reverse mapping finds no entry, and so has nobody to tell. The guest goes on storing to a page that is free.',
    fix: 'Entries are cleared and the table is taken out between start and end, as everywhere.',
  },
];
