// Reuse: something is free and in use again while somebody still believes in what it was.

import type { Exhibit } from './exhibit.ts';

export const reuse: readonly Exhibit[] = [
  {
    name: 'swapin-aba',
    title: 'The swap entry is the same, the page is not',
    source: '13ddaf26be32 (mm/swap: fix race when skipping swapcache)',
    invariant: 'I2',
    scenario: 'swapin',
    edits: [
      {
        file: 'mm/swap/swapIn.ts',
        find: '    const read = yield* swapinReadahead(host, mm, slot);\n    if (read === null) return',
        replace: `    const read = yield* allocAnonPage(host, mm);
    pfn = read ?? 0;
    if (pfn > 0) {
      const { bounce } = host.swapIo;
      if (points.on) yield at.slot(slot);
      host.swap.device.submit({ write: false, slot, memory: bounce, done() {} });
      if (points.on) yield at.page(pfn);
      host.memory.writeBytes(pfn * 4096, bounce);
      host.frames.set(pfn as Pfn, PG_uptodate);
      host.frames.private[pfn] = slot;
      yield* host.lruvec.add(pfn as Pfn);
    }
    if (read === null) return`,
      },
      {
        file: 'mm/swap/swapIn.ts',
        find: '  if (!frames.test(pfn, PG_swapcache) || frames.private[pfn] !== slot) {',
        replace: '  if (frames.private[pfn] !== slot) {',
      },
      {
        file: 'mm/swap/swapIn.ts',
        find: "import { folioPut, folioUnlockPut } from '../page/folio.ts';",
        replace:
          "import { folioPut, folioUnlockPut } from '../page/folio.ts';\nimport { allocAnonPage } from '../page/pageAlloc.ts';",
      },
    ],
    preemptions: 1,
    steps: 130,
    budget: { bounded: 4000, pos: 500 },
    story:
      'A fault reads the page past the swap cache and is pre-empted. Another thread faults the page in ' +
      'too, stores to it, and the page is swapped out again, to the slot that has just become free. The ' +
      'entry looks as before, so the first fault installs what it read: the store is gone.',
    fix: 'A page comes in through the swap cache, which holds the slot: nobody gets it before the fault is done.',
  },
  {
    name: 'removal-not-awaited',
    title: 'An interval notifier is freed while its removal is still being carried out',
    source: '319561669a59 (mm/mmu_notifier.c: fix race in mmu_interval_notifier_remove())',
    invariant: 'I7',
    scenario: 'interval-remove',
    edits: [
      {
        file: 'notifier/interval.ts',
        find: `    // mmu_interval_seq_released(): who makes the sequence even still has the deferred in hand until it unlocks.
    yield* lock.lock();
    yield* lock.unlock();
`,
        replace: '',
      },
    ],
    preemptions: 2,
    steps: 59,
    budget: { bounded: 20_000, pos: 2000 },
    story:
      'The removal is put off until the last open range has ended. Its end makes the sequence even first ' +
      'and then carries the removals out; who waits for the sequence sees it change, returns, and frees ' +
      'what is about to be touched.',
    fix: 'The sequence is looked at under the lock that the end holds until everything is carried out.',
  },
  {
    name: 'old-guest-entry',
    title: "A fault installs what it read from the guest's table before the table was changed",
    source: 'f7d9c7b7b902 (KVM: MMU: Fix race when instantiating a shadow pte)',
    invariant: 'I2',
    scenario: 'guest-table-smp',
    edits: [
      {
        file: 'kvm/pageFault.ts',
        find: `    // Written between the walk and the write protection of the table: what was read is not what is shadowed.
    if (points.on) yield at.list(kvm.id);
    const tableSlot = gfnToMemslot(kvm, gfn);
    if (points.on) yield at.tlb(kvm.sched.current.cpu);
    if (guestWalk.hasChanged(level - 1, tableSlot)) return RetPf.retry;
`,
        replace: '',
      },
    ],
    preemptions: 1,
    steps: 144,
    budget: { bounded: 4000, pos: 1000 },
    story:
      "One vCPU walks the guest's tables, lock-free, and is pre-empted. Another changes the entry, " +
      'fences, and faults: the table is shadowed from now on. Then the first installs the entry that it ' +
      'remembers, into a shadow that counts as in sync.',
    fix:
      'Each entry is read again under mmu_lock, after its table was write-protected; if it differs the ' +
      'fault is retried.',
  },
];
