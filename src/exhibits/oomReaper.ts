// The OOM reaper: takes the memory of a process away whose VM still runs.

import type { Exhibit } from './exhibit.ts';

export const oomReaper: readonly Exhibit[] = [
  {
    name: 'reaper-tells-nobody',
    title: 'The OOM reaper zaps a VM and calls no notifier',
    source: '4d4bbd8526a8 (mm, oom_reaper: skip mm structs with mmu notifiers)',
    invariant: 'I1',
    scenario: 'oom',
    edits: [
      {
        file: 'mm/reclaim/oom.ts',
        find: `  const range = mmuNotifierRangeInit(MmuNotifyEvent.UNMAP, mm, start, end);
  if (range !== null && (`,
        replace: `  const range = null;
  if (range !== null && (`,
      },
    ],
    preemptions: 0,
    steps: 12,
    budget: { bounded: 100, pos: 50 },
    story: 'The reaper frees the pages of the victim; its guest goes on storing to them.',
    fix: 'A start that must not block goes before the zap; a range whose client cannot be told is left alone.',
  },
  {
    name: 'start-without-end',
    title: 'A start that fails half-way leaves the others without their end',
    source: 'c2655835fd8c (mm/mmu_notifiers: ensure range_end() is paired with range_start())',
    invariant: 'I6',
    scenario: 'oom-two-clients',
    edits: [
      {
        file: 'notifier/chain.ts',
        find: '  if (error !== 0) yield* endAll(list, range);',
        replace: '',
      },
    ],
    preemptions: 0,
    steps: 42,
    budget: { bounded: 100, pos: 50 },
    story:
      'The second client cannot be told without sleeping and says -EAGAIN; the reaper goes away. KVM, ' +
      'which was told first, waits for an end that never comes: every fault of the guest is tried again ' +
      'for ever.',
    fix: 'Who has been started gets an end, whatever the others said.',
  },
];
