// The fault against the invalidation: five ways to install a translation that is already wrong.
//
// A client looks the host's page up without holding a lock that the host takes, so between the look and the
// installing the page can go. The protocol: sample the sequence, look, take the client's lock, and install only if no
// range is open there and the sequence is what it was. Each exhibit leaves out one part.

import type { Exhibit } from './exhibit.ts';

const PROTOCOL =
  'The sequence is sampled before the page is looked up; under mmu_lock the count of open ranges and the sequence are ' +
  'looked at again, and on any change the fault is tried anew (mmu_invalidate_retry_gfn).';

export const faultVersusInvalidate: readonly Exhibit[] = [
  {
    name: 'no-count-check',
    title: 'The fault does not look whether a range is open',
    source:
      'protocol of e930bffe95e1 (KVM: Synchronize guest physical memory map to host virtual memory map)',
    invariant: 'I1',
    scenario: 'pageout',
    edits: [
      {
        file: 'kvm/pageFault.ts',
        find: '    kvm.mmuInvalidateInProgress > 0 &&',
        replace: '    false &&',
      },
    ],
    preemptions: 1,
    steps: 84,
    budget: { bounded: 400, pos: 100 },
    story:
      'The whole fault runs between start and end. The sequence does not change meanwhile, and the PTE is ' +
      'still there, so all looks well; then reclaim clears the PTE and frees the page, and no callback ' +
      'will ever come for it again.',
    fix: PROTOCOL,
  },
  {
    name: 'no-sequence-check',
    title: 'The fault does not look whether an invalidation has come and gone',
    source: 'left out on PPC e500: KVM: PPC: e500: check range page invalidation progress on page setup',
    invariant: 'I1',
    scenario: 'pageout',
    edits: [
      {
        file: 'kvm/pageFault.ts',
        find: '  return kvm.mmuInvalidateSeq !== sequence;',
        replace: '  return sequence < 0;',
      },
    ],
    preemptions: 1,
    steps: 111,
    budget: { bounded: 1200, pos: 400 },
    story:
      'The vCPU has looked the page up and is pre-empted. A whole invalidation runs, from start to end; ' +
      'the page is freed. The vCPU goes on: no range is open now, and it installs the page that it ' +
      'remembers.',
    fix: PROTOCOL,
  },
  {
    name: 'sequence-sampled-late',
    title: 'The sequence is sampled after the page was looked up',
    source:
      '2ed90cb0938a (RISC-V: KVM: Read mmu_invalidate_seq before dropping mmap_lock); arm64 had the same',
    invariant: 'I1',
    scenario: 'pageout',
    edits: [
      {
        file: 'kvm/pageFault.ts',
        find: `  if (points.on) yield at.sequence(kvm.id);
  const sequence = kvm.mmuInvalidateSeq;
  const page = yield* getUserPage(kvm.mm, slot.hvaOf(gfn), write);`,
        replace: `  const page = yield* getUserPage(kvm.mm, slot.hvaOf(gfn), write);
  if (points.on) yield at.sequence(kvm.id);
  const sequence = kvm.mmuInvalidateSeq;`,
      },
    ],
    preemptions: 1,
    steps: 111,
    budget: { bounded: 1200, pos: 400 },
    story:
      'The check is there, but what it compares with was read too late: an invalidation that ran between ' +
      'the look and the sample has bumped the sequence already, and the fault takes the new value for the ' +
      'old one.',
    fix: PROTOCOL,
  },
  {
    name: 'check-outside-lock',
    title: 'Count and sequence are checked before mmu_lock is taken',
    source: 'mutation of e930bffe95e1: the check must be under the lock that the callbacks take',
    invariant: 'I1',
    scenario: 'pageout',
    edits: [
      {
        file: 'kvm/pageFault.ts',
        find: `  const { mmuLock } = kvm;
`,
        replace: `  const { mmuLock } = kvm;
  if (points.on) yield at.sequence(kvm.id);
  const isStale = isPageFaultStale(vcpu, leaf.gfn, sequence);
`,
      },
      {
        file: 'kvm/pageFault.ts',
        find: '!sameSlot || isPageFaultStale(vcpu, leaf.gfn, sequence);',
        replace: '!sameSlot || isStale;',
      },
    ],
    preemptions: 1,
    steps: 101,
    budget: { bounded: 400, pos: 400 },
    story:
      'Between the check and the lock there is a gap of one step. The whole zap fits in: its callback ' +
      'finds nothing to zap, because the spte is installed only afterwards.',
    fix: PROTOCOL,
  },
  {
    name: 'end-before-bump',
    title: 'range_end lowers the count before it bumps the sequence, and the fault checks without the lock',
    source: 'a355aa54f1d2 (KVM: Add barriers to allow mmu_notifier_retry to be used locklessly)',
    invariant: 'I1',
    scenario: 'pageout',
    edits: [
      {
        file: 'kvm/notifierClient.ts',
        find: '  kvm.mmuInvalidateSeq++;\n  kvm.mmuInvalidateInProgress--;',
        replace: '  kvm.mmuInvalidateInProgress--;',
      },
      {
        file: 'kvm/notifierClient.ts',
        find: '      yield* changeActiveCount(kvm, -1);',
        replace: `      yield* changeActiveCount(kvm, -1);
      if (points.on) yield at.sequence(kvm.id);
      kvm.mmuInvalidateSeq++;`,
      },
    ],
    preemptions: 2,
    steps: 104,
    budget: { bounded: 60_000, pos: 1500 },
    story:
      'After the count has fallen and before the sequence has risen, nothing tells of the invalidation ' +
      'that just went by: who looks at both in that moment installs what is gone.',
    fix: 'kvm_mmu_invalidate_end() bumps the sequence first; the count falls when the bump can be seen.',
  },
];
