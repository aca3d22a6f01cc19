// Tracepoints: names and typed fields, one table. Systems and names are Linux's (include/trace/events); Umbra adds the
// system mmu_notifier, for which Linux has no tracepoints.
//
// A field is a number: an address, frame, count, or an index into the named string table. At most seven fields, none of
// which is called time, task or event, since a line of JSON (format.ts) has these next to them.

export type FieldFormat = 'hex' | 'dec' | 'bool' | readonly string[];

export interface EventShape {
  readonly system: 'kvm' | 'kvmmmu' | 'mmu_notifier' | 'vmscan' | 'swap' | 'exceptions' | 'tlb' | 'oom';
  readonly fields: Readonly<Record<string, FieldFormat>>;
}

/** enum mmu_notifier_event, in order of value. */
export const NOTIFIER_EVENTS = [
  'MMU_NOTIFY_UNMAP',
  'MMU_NOTIFY_CLEAR',
  'MMU_NOTIFY_PROTECTION_VMA',
  'MMU_NOTIFY_PROTECTION_PAGE',
  'MMU_NOTIFY_SOFT_DIRTY',
  'MMU_NOTIFY_RELEASE',
  'MMU_NOTIFY_MIGRATE',
  'MMU_NOTIFY_EXCLUSIVE',
] as const;

const ACCESS = ['read', 'write', 'fetch'] as const;
const USERSPACE_EXITS = ['mmio', 'intr', 'hlt', 'shutdown', 'memory_fault'] as const;

export const EVENTS = {
  kvm_entry: { system: 'kvm', fields: { vcpu: 'dec', pc: 'hex' } },
  kvm_exit: { system: 'kvm', fields: { vcpu: 'dec', reason: 'dec', sepc: 'hex', instructions: 'dec' } },
  kvm_page_fault: {
    system: 'kvm',
    fields: { vcpu: 'dec', pc: 'hex', address: 'hex', access: ACCESS, seq: 'dec', in_progress: 'dec' },
  },
  kvm_inj_exception: { system: 'kvm', fields: { vcpu: 'dec', cause: 'dec', tval: 'hex' } },
  kvm_mmio: { system: 'kvm', fields: { type: ACCESS, len: 'dec', gpa: 'hex', val: 'hex' } },
  kvm_userspace_exit: { system: 'kvm', fields: { vcpu: 'dec', reason: USERSPACE_EXITS, errno: 'dec' } },
  kvm_unmap_hva_range: { system: 'kvm', fields: { start: 'hex', end: 'hex' } },
  kvm_age_hva: { system: 'kvm', fields: { start: 'hex', end: 'hex' } },
  kvm_test_age_hva: { system: 'kvm', fields: { hva: 'hex' } },
  kvm_tlb_flush: { system: 'kvm', fields: { vcpu: 'dec' } },
  kvm_mmu_get_page: {
    system: 'kvmmmu',
    fields: { gfn: 'hex', level: 'dec', direct: 'bool', created: 'bool', spt: 'hex' },
  },
  kvm_mmu_prepare_zap_page: {
    system: 'kvmmmu',
    fields: { gfn: 'hex', level: 'dec', direct: 'bool', spt: 'hex' },
  },
  kvm_mmu_set_spte: {
    system: 'kvmmmu',
    fields: { gfn: 'hex', spte: 'hex', sptep: 'hex', level: 'dec' },
  },
  kvm_mmu_spte_requested: { system: 'kvmmmu', fields: { gfn: 'hex', pfn: 'hex', level: 'dec' } },
  kvm_mmu_sync_page: { system: 'kvmmmu', fields: { gfn: 'hex', level: 'dec', spt: 'hex' } },
  kvm_mmu_unsync_page: { system: 'kvmmmu', fields: { gfn: 'hex', level: 'dec', spt: 'hex' } },
  kvm_mmu_set_accessed_bit: { system: 'kvmmmu', fields: { gpa: 'hex' } },
  kvm_mmu_set_dirty_bit: { system: 'kvmmmu', fields: { gpa: 'hex' } },
  invalidate_range_start: {
    system: 'mmu_notifier',
    fields: { mm: 'dec', start: 'hex', end: 'hex', notify: NOTIFIER_EVENTS, blockable: 'bool' },
  },
  invalidate_range_end: {
    system: 'mmu_notifier',
    fields: { mm: 'dec', start: 'hex', end: 'hex', notify: NOTIFIER_EVENTS },
  },
  clear_flush_young: {
    system: 'mmu_notifier',
    fields: { mm: 'dec', start: 'hex', end: 'hex', young: 'bool' },
  },
  clear_young: { system: 'mmu_notifier', fields: { mm: 'dec', start: 'hex', end: 'hex', young: 'bool' } },
  test_young: { system: 'mmu_notifier', fields: { mm: 'dec', address: 'hex', young: 'bool' } },
  invalidate_secondary_tlbs: { system: 'mmu_notifier', fields: { mm: 'dec', start: 'hex', end: 'hex' } },
  release: { system: 'mmu_notifier', fields: { mm: 'dec' } },
  register: { system: 'mmu_notifier', fields: { mm: 'dec', subscription: 'dec' } },
  unregister: { system: 'mmu_notifier', fields: { mm: 'dec', subscription: 'dec' } },
  page_fault_user: { system: 'exceptions', fields: { address: 'hex', write: 'bool', result: 'dec' } },
  mm_vmscan_kswapd_wake: { system: 'vmscan', fields: { nid: 'dec', order: 'dec' } },
  mm_vmscan_kswapd_sleep: { system: 'vmscan', fields: { nid: 'dec' } },
  mm_vmscan_direct_reclaim_begin: { system: 'vmscan', fields: { order: 'dec' } },
  mm_vmscan_direct_reclaim_end: { system: 'vmscan', fields: { nr_reclaimed: 'dec' } },
  mm_vmscan_lru_shrink_inactive: {
    system: 'vmscan',
    fields: {
      nr_scanned: 'dec',
      nr_reclaimed: 'dec',
      nr_dirty: 'dec',
      nr_activate: 'dec',
      nr_ref_keep: 'dec',
      priority: 'dec',
    },
  },
  mm_vmscan_lru_shrink_active: {
    system: 'vmscan',
    fields: {
      nr_taken: 'dec',
      nr_active: 'dec',
      nr_deactivated: 'dec',
      nr_referenced: 'dec',
      priority: 'dec',
    },
  },
  mm_vmscan_write_folio: { system: 'vmscan', fields: { pfn: 'hex', slot: 'dec' } },
  try_to_unmap: { system: 'swap', fields: { mm: 'dec', address: 'hex', slot: 'dec' } },
  swap_read_folio: { system: 'swap', fields: { pfn: 'hex', slot: 'dec' } },
  swap_io_error: { system: 'swap', fields: { slot: 'dec', write: 'bool', errno: 'dec' } },
  tlb_flush: { system: 'tlb', fields: { mm: 'dec', start: 'hex', end: 'hex' } },
  mark_victim: { system: 'oom', fields: { mm: 'dec' } },
} as const satisfies Record<string, EventShape>;

export type EventName = keyof typeof EVENTS;
export const EVENT_NAMES = Object.keys(EVENTS) as EventName[];
export const MAX_FIELDS = 7;

export const shapeOf = (name: EventName): EventShape => EVENTS[name];
