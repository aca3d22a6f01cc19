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
        file: 'mm/tryToUnmap.ts',
        find: `  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const ptep = yield* lockMappedPte(vma, pfn, address);`,
        replace: '  const ptep = yield* lockMappedPte(vma, pfn, address);',
      },
      {
        file: 'mm/tryToUnmap.ts',
        find: '  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);',
        replace: `  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);`,
      },
    ],
    preemptions: 0,
    budget: { bounded: 100, pos: 50 },
    story:
      'From the moment at which the PTE is clear the host regards the page as its own; the guest goes on storing to it until ' +
      'the callback comes, and what it stores then is in no swap slot.',
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
    budget: { bounded: 100, pos: 50 },
    story: 'The tables are right, the TLB is not: the guest reaches the freed frame without a walk.',
    fix: 'kvm_flush_remote_tlbs() under mmu_lock, before start returns; each vCPU has left the guest once by then.',
  },
  {
    name: 'collapse-tells-nobody',
    title: 'A collapse into a huge page takes page tables away and calls no notifier',
    source:
      'CVE-2022-48991, f268f6cf875f (mm/khugepaged: invoke MMU notifiers in shmem/file collapse paths); here of anonymous memory',
    invariant: 'I1',
    scenario: 'collapse',
    edits: [
      {
        file: 'mm/collapse.ts',
        find: `  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* mm.pageTableLock.lock();`,
        replace: '  yield* mm.pageTableLock.lock();',
      },
      {
        file: 'mm/collapse.ts',
        find: `  yield* mm.pageTableLock.unlock();
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);`,
        replace: '  yield* mm.pageTableLock.unlock();',
      },
    ],
    preemptions: 0,
    budget: { bounded: 20, pos: 20 },
    story:
      'The entries are gone, and with them the only way by which anybody who frees the pages later would come to tell their ' +
      "clients: reverse mapping finds nothing there any more. The guest goes on storing to pages that are somebody else's.",
    fix: 'The table is unhooked between start and end, as everywhere.',
  },
];
