// vmscan:, exceptions: and tlb: as Linux 6.18 has them (include/trace/events), and two systems for what it does not
// trace: swap: (a page on its way out and in) and oom: (Linux's mark_victim, with no more than the pid).
//
// mm/ calls these. A new operation of the mm adds its rows here: fields and printed form as tracefs shows them on a
// kernel that has it (events/SYSTEM/NAME/format).

import { flagged, numbered, symbolic, system } from '../shape.ts';

/** GFP_HIGHUSER_MOVABLE: what a page of a process is allocated with. */
export const GFP_HIGHUSER_MOVABLE = 0x100cca;

/** In the kernel's order, in which each name takes its bits away from those behind it (trace/events/mmflags.h). */
const GFP_FLAGS = [
  [0x1c24ca, 'GFP_TRANSHUGE'],
  [0x1c20ca, 'GFP_TRANSHUGE_LIGHT'],
  [0x100cca, 'GFP_HIGHUSER_MOVABLE'],
  [0x100cc2, 'GFP_HIGHUSER'],
  [0x100cc0, 'GFP_USER'],
  [0x400cc0, 'GFP_KERNEL_ACCOUNT'],
  [0x000cc0, 'GFP_KERNEL'],
  [0x000c40, 'GFP_NOFS'],
  [0x000820, 'GFP_ATOMIC'],
  [0x000c00, 'GFP_NOIO'],
  [0x002800, 'GFP_NOWAIT'],
] as const;

const gfpFlags = flagged('gfp_flags', GFP_FLAGS, 'none');

const RECLAIM_WB_ANON = 1;
const RECLAIM_WB_FILE = 2;
const RECLAIM_WB_ASYNC = 8;

/** trace_reclaim_flags(). */
export const reclaimFlags = (type: 'anon' | 'file'): number =>
  (type === 'file' ? RECLAIM_WB_FILE : RECLAIM_WB_ANON) | RECLAIM_WB_ASYNC;

const reclaimed = flagged(
  'reclaim_flags',
  [
    [RECLAIM_WB_ANON, 'RECLAIM_WB_ANON'],
    [RECLAIM_WB_FILE, 'RECLAIM_WB_FILE'],
    [16, 'RECLAIM_WB_MIXED'],
    [4, 'RECLAIM_WB_SYNC'],
    [RECLAIM_WB_ASYNC, 'RECLAIM_WB_ASYNC'],
  ],
  'RECLAIM_WB_NONE',
);

const LRU_NAMES = numbered(['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable']);

export const VMSCAN_EVENTS = system('vmscan', {
  mm_vmscan_kswapd_sleep: [{ nid: 'int' }, 'nid=%d', 'nid'],
  mm_vmscan_kswapd_wake: [{ nid: 'int', zid: 'int', order: 'int' }, 'nid=%d order=%d', 'nid', 'order'],
  mm_vmscan_wakeup_kswapd: [
    { nid: 'int', zid: 'int', order: 'int', gfp_flags: 'unsigned long' },
    'nid=%d order=%d gfp_flags=%s',
    'nid',
    'order',
    gfpFlags,
  ],
  mm_vmscan_direct_reclaim_begin: [
    { order: 'int', gfp_flags: 'unsigned long' },
    'order=%d gfp_flags=%s',
    'order',
    gfpFlags,
  ],
  mm_vmscan_direct_reclaim_end: [{ nr_reclaimed: 'unsigned long' }, 'nr_reclaimed=%lu', 'nr_reclaimed'],
  mm_vmscan_memcg_reclaim_begin: [
    { order: 'int', gfp_flags: 'unsigned long' },
    'order=%d gfp_flags=%s',
    'order',
    gfpFlags,
  ],
  mm_vmscan_memcg_reclaim_end: [{ nr_reclaimed: 'unsigned long' }, 'nr_reclaimed=%lu', 'nr_reclaimed'],
  mm_vmscan_lru_isolate: [
    {
      highest_zoneidx: 'int',
      order: 'int',
      nr_requested: 'unsigned long',
      nr_scanned: 'unsigned long',
      nr_skipped: 'unsigned long',
      nr_taken: 'unsigned long',
      lru: 'int',
    },
    'classzone=%d order=%d nr_requested=%lu nr_scanned=%lu nr_skipped=%lu nr_taken=%lu lru=%s',
    'highest_zoneidx',
    'order',
    'nr_requested',
    'nr_scanned',
    'nr_skipped',
    'nr_taken',
    symbolic('lru', LRU_NAMES),
  ],
  mm_vmscan_write_folio: [
    { pfn: 'unsigned long', reclaim_flags: 'int', slot: 'unsigned long' },
    'page=%p pfn=0x%lx flags=%s',
    // struct page is 64 bytes, in an array at 0xffffff0000000000 (sv39's vmemmap).
    {
      field: null,
      c: '(REC->pfn << 6) - 0x10000000000',
      of: ({ pfn }) => -(2 ** 40) + 64 * (pfn as number),
    },
    'pfn',
    reclaimed,
  ],
  mm_vmscan_lru_shrink_inactive: [
    {
      nid: 'int',
      nr_scanned: 'unsigned long',
      nr_reclaimed: 'unsigned long',
      nr_dirty: 'unsigned long',
      nr_writeback: 'unsigned long',
      nr_congested: 'unsigned long',
      nr_immediate: 'unsigned long',
      nr_activate0: 'unsigned int',
      nr_activate1: 'unsigned int',
      nr_ref_keep: 'unsigned long',
      nr_unmap_fail: 'unsigned long',
      priority: 'int',
      reclaim_flags: 'int',
    },
    'nid=%d nr_scanned=%ld nr_reclaimed=%ld nr_dirty=%ld nr_writeback=%ld nr_congested=%ld nr_immediate=%ld ' +
      'nr_activate_anon=%d nr_activate_file=%d nr_ref_keep=%ld nr_unmap_fail=%ld priority=%d flags=%s',
    'nid',
    'nr_scanned',
    'nr_reclaimed',
    'nr_dirty',
    'nr_writeback',
    'nr_congested',
    'nr_immediate',
    'nr_activate0',
    'nr_activate1',
    'nr_ref_keep',
    'nr_unmap_fail',
    'priority',
    reclaimed,
  ],
  mm_vmscan_lru_shrink_active: [
    {
      nid: 'int',
      nr_taken: 'unsigned long',
      nr_active: 'unsigned long',
      nr_deactivated: 'unsigned long',
      nr_referenced: 'unsigned long',
      priority: 'int',
      reclaim_flags: 'int',
    },
    'nid=%d nr_taken=%ld nr_active=%ld nr_deactivated=%ld nr_referenced=%ld priority=%d flags=%s',
    'nid',
    'nr_taken',
    'nr_active',
    'nr_deactivated',
    'nr_referenced',
    'priority',
    reclaimed,
  ],
});

export const EXCEPTION_EVENTS = system('exceptions', {
  page_fault_user: [
    { address: 'unsigned long', ip: 'unsigned long', error_code: 'unsigned long' },
    'address=%ps ip=%ps error_code=0x%lx',
    'address',
    'ip',
    'error_code',
  ],
});

export const TlbFlushReason = {
  ON_TASK_SWITCH: 0,
  REMOTE_SHOOTDOWN: 1,
  LOCAL_SHOOTDOWN: 2,
  LOCAL_MM_SHOOTDOWN: 3,
  REMOTE_SEND_IPI: 4,
} as const;

const FLUSH_REASONS = numbered([
  'flush on task switch',
  'remote shootdown',
  'local shootdown',
  'local MM shootdown',
  'remote IPI send',
  'remote wrong CPU',
]);

export const TLB_EVENTS = system('tlb', {
  tlb_flush: [
    { reason: 'int', pages: 'unsigned long' },
    'pages:%ld reason:%s (%d)',
    'pages',
    symbolic('reason', FLUSH_REASONS),
    'reason',
  ],
});

export const SWAP_EVENTS = system('swap', {
  try_to_unmap: [
    { mm: 'int', address: 'unsigned long', slot: 'unsigned long' },
    'mm=%d address=0x%lx slot=%lu',
    'mm',
    'address',
    'slot',
  ],
  swap_read_folio: [{ pfn: 'unsigned long', slot: 'unsigned long' }, 'pfn=0x%lx slot=%lu', 'pfn', 'slot'],
  swap_io_error: [
    { slot: 'unsigned long', write: 'bool', errno: 'int' },
    'slot=%lu write=%d errno=%d',
    'slot',
    'write',
    'errno',
  ],
});

export const OOM_EVENTS = system('oom', { mark_victim: [{ pid: 'int' }, 'pid=%d', 'pid'] });
