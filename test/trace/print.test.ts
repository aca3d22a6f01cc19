// The printed form of events: byte for byte what Linux 6.18 prints (include/trace/events, arch/riscv/kvm/trace.h, and
// arch/x86/kvm for what only x86 traces), for fields that call for every branch of it.

import { describe, expect, it } from 'vitest';
import { fieldNames } from '../../src/trace/events.ts';
import { type EventName, printEvent, TaskNames } from '../../src/trace/index.ts';

const TASKS = new TaskNames((id) =>
  id < 3 ? { name: ['', 'kswapd0', 'a_task_with_many_words'][id]!, cpu: 0 } : null,
);
const print = (event: EventName, fields: Record<string, number>): string =>
  printEvent({ event, time: 0, task: 1, fields: { ...zeros(event), ...fields } }, TASKS);

const zeros = (event: EventName): Record<string, number> =>
  Object.fromEntries(fieldNames(event).map((name) => [name, 0]));

const PAGE = { mmu_valid_gen: 0, gfn: 0x80000, root_count: 1, unsync: 0 };
const SHRINK = {
  nid: 0,
  nr_scanned: 32,
  nr_reclaimed: 28,
  nr_writeback: 4,
  nr_activate0: 3,
  priority: 12,
  reclaim_flags: 9,
};

const LINES: [EventName, Record<string, number>, string][] = [
  ['kvm_entry', { pc: 0x80000010 }, 'PC: 0x0000000080000010'],
  [
    'kvm_exit',
    { sepc: 0x80000010, scause: 0x15, stval: -4096, htval: 0x20000400 },
    'SEPC:0x80000010, SCAUSE:0x15, STVAL:0xfffffffffffff000, HTVAL:0x20000400, HTINST:0x0',
  ],
  [
    'kvm_exit',
    { sepc: 4, scause: -5 },
    'SEPC:0x4, SCAUSE:0x8000000000000005, STVAL:0x0, HTVAL:0x0, HTINST:0x0',
  ],
  [
    'kvm_page_fault',
    { vcpu_id: 0, guest_rip: 0x80000010, fault_address: 0x80001000, error_code: 2 },
    'vcpu 0 rip 0x80000010 address 0x0000000080001000 error_code 0x2',
  ],
  ['kvm_inj_exception', { exception: 15, tval: 0x1000 }, 'STORE_PAGE_FAULT (0x1000)'],
  ['kvm_mmio', { type: 2, len: 1, gpa: 0x10000000, val: 0x68 }, 'mmio write len 1 gpa 0x10000000 val 0x68'],
  ['kvm_mmio', { type: 0, len: 4, gpa: 16 }, 'mmio unsatisfied-read len 4 gpa 0x10 val 0x0'],
  ['kvm_userspace_exit', { reason: 6 }, 'reason KVM_EXIT_MMIO (6)'],
  ['kvm_userspace_exit', { reason: 39, errno: -14 }, 'reason error (14)'],
  ['kvm_userspace_exit', { reason: 10, errno: -4 }, 'reason restart (4)'],
  ['kvm_userspace_exit', { reason: 39 }, 'reason 0x27 (39)'],
  [
    'kvm_unmap_hva_range',
    { start: 0x7f0000001000, end: 0x7f0000002000 },
    'mmu notifier unmap range: 0x007f0000001000 -- 0x007f0000002000',
  ],
  ['kvm_age_hva', { start: 0, end: 4096 }, 'mmu notifier age hva: 0x00000000000000 -- 0x00000000001000'],
  ['kvm_test_age_hva', { hva: -(2 ** 38) }, 'mmu notifier test age hva: 0xffffffc000000000'],
  ['kvm_mmu_pagetable_walk', { addr: 0x1000, pferr: 6 }, 'addr 1000 pferr 6 W|U'],
  ['kvm_mmu_walker_error', { pferr: 0 }, 'pferr 0 '],
  ['kvm_mmu_set_dirty_bit', { gpa: 0x80002008 }, 'gpa 80002008'],
  [
    'kvm_mmu_get_page',
    { ...PAGE, role: 0x1783, created: 1 },
    'sp gen 0 gfn 80000 l3 8-byte q0 direct wux nxe ad root 1 sync new',
  ],
  [
    'kvm_mmu_prepare_zap_page',
    { ...PAGE, role: 0x1901, root_count: 0, unsync: 1 },
    'sp gen 0 gfn 80000 l1 8-byte q0 --x invalid nxe ad root 0 unsync',
  ],
  [
    'kvm_mmu_set_spte',
    { gfn: 0x80001, spte: 0x48d15057, sptep: 0x1000, level: 1, r: 1, x: 0, u: 1 },
    'gfn 80001 spte 48d15057 (rw-u) level 1 at 1000',
  ],
  ['kvm_mmu_spte_requested', { gfn: 0x80001, pfn: 0x12345, level: 1 }, 'gfn 80001 pfn 12345 level 1'],
  ['mm_vmscan_kswapd_wake', { nid: 0, zid: 3, order: 1 }, 'nid=0 order=1'],
  ['mm_vmscan_kswapd_sleep', { nid: 0 }, 'nid=0'],
  [
    'mm_vmscan_wakeup_kswapd',
    { nid: 0, zid: 0, order: 0, gfp_flags: 0x100cca },
    'nid=0 order=0 gfp_flags=GFP_HIGHUSER_MOVABLE',
  ],
  ['mm_vmscan_direct_reclaim_begin', { order: 0, gfp_flags: 0 }, 'order=0 gfp_flags=none'],
  ['mm_vmscan_direct_reclaim_end', { nr_reclaimed: 32 }, 'nr_reclaimed=32'],
  [
    'mm_vmscan_lru_isolate',
    { highest_zoneidx: 3, nr_requested: 32, nr_scanned: 32, nr_taken: 31, lru: 1 },
    'classzone=3 order=0 nr_requested=32 nr_scanned=32 nr_skipped=0 nr_taken=31 lru=active_anon',
  ],
  [
    'mm_vmscan_write_folio',
    { pfn: 0x1234, reclaim_flags: 9, slot: 5 },
    'page=ffffff0000048d00 pfn=0x1234 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC',
  ],
  [
    'mm_vmscan_lru_shrink_inactive',
    SHRINK,
    'nid=0 nr_scanned=32 nr_reclaimed=28 nr_dirty=0 nr_writeback=4 nr_congested=0 nr_immediate=0 ' +
      'nr_activate_anon=3 nr_activate_file=0 nr_ref_keep=0 nr_unmap_fail=0 priority=12 ' +
      'flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC',
  ],
  [
    'mm_vmscan_lru_shrink_active',
    { nr_taken: 32, nr_deactivated: 30, nr_referenced: 2, priority: 12, reclaim_flags: 0 },
    'nid=0 nr_taken=32 nr_active=0 nr_deactivated=30 nr_referenced=2 priority=12 flags=RECLAIM_WB_NONE',
  ],
  [
    'mm_migrate_pages',
    { succeeded: 3, failed: 1, mode: 2, reason: 3 },
    'nr_succeeded=3 nr_failed=1 nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 nr_split=0 mode=MIGRATE_SYNC ' +
      'reason=syscall_or_cpuset',
  ],
  ['mm_migrate_pages_start', { mode: 0, reason: 0 }, 'mode=MIGRATE_ASYNC reason=compaction'],
  ['set_migration_pte', { addr: 0x3f00001000, pte: 0x12fc0 }, 'addr=3f00001000, pte=12fc0 order=0'],
  ['remove_migration_pte', { addr: 0x1000, pte: 0x48d15057 }, 'addr=1000, pte=48d15057 order=0'],
  [
    'mm_compaction_isolate_migratepages',
    { start_pfn: 0x200, end_pfn: 0x220, nr_scanned: 32, nr_taken: 7 },
    'range=(0x200 ~ 0x220) nr_scanned=32 nr_taken=7',
  ],
  ['mm_compaction_migratepages', { nr_migrated: 6, nr_failed: 1 }, 'nr_migrated=6 nr_failed=1'],
  [
    'mm_compaction_begin',
    { zone_start: 1, migrate_pfn: 0x200, free_pfn: 0xfff, zone_end: 0x1000, sync: 0 },
    'zone_start=0x1 migrate_pfn=0x200 free_pfn=0xfff zone_end=0x1000, mode=async',
  ],
  [
    'mm_compaction_end',
    { zone_start: 1, migrate_pfn: 0x400, free_pfn: 0x800, zone_end: 0x1000, sync: 1, status: 8 },
    'zone_start=0x1 migrate_pfn=0x400 free_pfn=0x800 zone_end=0x1000, mode=sync status=success',
  ],
  ['page_fault_user', { address: 0x3f00001000, error_code: 6 }, 'address=0x3f00001000 ip=0x0 error_code=0x6'],
  ['tlb_flush', { reason: 1, pages: -1 }, 'pages:-1 reason:remote shootdown (1)'],
  [
    'sched_switch',
    { prev_pid: 1, prev_prio: 120, prev_state: 256, next_pid: 2, next_prio: 120 },
    'prev_comm=kswapd0 prev_pid=1 prev_prio=120 prev_state=R+ ==> next_comm=a_task_with_man next_pid=2 next_prio=120',
  ],
  [
    'sched_switch',
    { prev_pid: 2, prev_prio: 120, prev_state: 1, next_pid: 0, next_prio: 120 },
    'prev_comm=a_task_with_man prev_pid=2 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120',
  ],
  ['sched_wakeup', { pid: 1, prio: 120, target_cpu: 1 }, 'comm=kswapd0 pid=1 prio=120 target_cpu=001'],
];

describe('the printed form', () => {
  it.each(LINES)('of %s %o', (event, fields, line) => {
    expect(print(event, fields)).toBe(line);
  });

  it('of our own systems names the event and the root in words', () => {
    const range = { mm: 1, start: 0x1000, end: 0x2000, notify: 6, blockable: 1, in_progress: 1 };
    expect(print('invalidate_range_start', range)).toBe(
      'mm=1 start=0x1000 end=0x2000 event=MMU_NOTIFY_MIGRATE blockable=1 in_progress=1',
    );
    const check = {
      vcpu_id: 1,
      gfn: 0x80001,
      hva: 0x3f00001000,
      pfn: 0x55,
      level: 1,
      snapshot: 6,
      seq: 7,
      root: 1,
    };
    expect(print('fault_check', { ...check, range_start: 0x80001, range_end: 0x80002, retry: 1 })).toBe(
      'vcpu 1 gfn 80001 hva 0x3f00001000 pfn 55 level 1 snapshot 6 seq 7 in_progress 0 range 80001-80002 root obsolete retry 1',
    );
  });
});
