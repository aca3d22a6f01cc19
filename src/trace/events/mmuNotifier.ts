// mmu_notifier: what Linux has no tracepoints for: the calls of the notifier chain, what KVM counts of them, the check
// that each page fault makes against them, and the TLB flushes that they cause.
//
// notifier/ calls the chain's, kvm/ the others. `mm` and `vm` are the ids of an address space and of a VM.

import { numbered, symbolic, system } from '../shape.ts';

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

/** Of the root that a fault would have installed into, as kvm's is_page_fault_stale() sees it. */
const ROOT_STATES = numbered(['fresh', 'obsolete', 'no shadow page']);

const RANGE = { mm: 'int', start: 'unsigned long', end: 'unsigned long' } as const;
const EVENT = symbolic('notify', numbered(NOTIFIER_EVENTS));

export const MMU_NOTIFIER_EVENTS = system('mmu_notifier', {
  invalidate_range_start: [
    { ...RANGE, notify: 'int', blockable: 'bool', in_progress: 'unsigned int' },
    'mm=%d start=0x%lx end=0x%lx event=%s blockable=%d in_progress=%u',
    'mm',
    'start',
    'end',
    EVENT,
    'blockable',
    'in_progress',
  ],
  invalidate_range_start_failed: [
    { ...RANGE, errno: 'int', in_progress: 'unsigned int' },
    'mm=%d start=0x%lx end=0x%lx errno=%d in_progress=%u',
    'mm',
    'start',
    'end',
    'errno',
    'in_progress',
  ],
  invalidate_range_end: [
    { ...RANGE, notify: 'int', in_progress: 'unsigned int' },
    'mm=%d start=0x%lx end=0x%lx event=%s in_progress=%u',
    'mm',
    'start',
    'end',
    EVENT,
    'in_progress',
  ],
  clear_flush_young: [
    { ...RANGE, young: 'bool' },
    'mm=%d start=0x%lx end=0x%lx young=%d',
    'mm',
    'start',
    'end',
    'young',
  ],
  clear_young: [
    { ...RANGE, young: 'bool' },
    'mm=%d start=0x%lx end=0x%lx young=%d',
    'mm',
    'start',
    'end',
    'young',
  ],
  test_young: [
    { mm: 'int', address: 'unsigned long', young: 'bool' },
    'mm=%d address=0x%lx young=%d',
    'mm',
    'address',
    'young',
  ],
  invalidate_secondary_tlbs: [RANGE, 'mm=%d start=0x%lx end=0x%lx', 'mm', 'start', 'end'],
  release: [{ mm: 'int' }, 'mm=%d', 'mm'],
  register: [{ mm: 'int', subscription: 'int' }, 'mm=%d subscription=%d', 'mm', 'subscription'],
  unregister: [{ mm: 'int', subscription: 'int' }, 'mm=%d subscription=%d', 'mm', 'subscription'],
  kvm_invalidate_begin: [
    { vm: 'int', start_gfn: 'u64', end_gfn: 'u64', seq: 'u64', in_progress: 'unsigned int' },
    'vm=%d start_gfn=0x%llx end_gfn=0x%llx seq=%llu in_progress=%u',
    'vm',
    'start_gfn',
    'end_gfn',
    'seq',
    'in_progress',
  ],
  kvm_invalidate_end: [
    { vm: 'int', seq: 'u64', in_progress: 'unsigned int' },
    'vm=%d seq=%llu in_progress=%u',
    'vm',
    'seq',
    'in_progress',
  ],
  fault_check: [
    {
      vcpu_id: 'unsigned int',
      gfn: 'u64',
      hva: 'unsigned long',
      pfn: 'u64',
      level: 'u8',
      snapshot: 'u64',
      seq: 'u64',
      in_progress: 'unsigned int',
      range_start: 'u64',
      range_end: 'u64',
      root: 'u8',
      retry: 'bool',
    },
    'vcpu %u gfn %llx hva 0x%lx pfn %llx level %d snapshot %llu seq %llu in_progress %u range %llx-%llx root %s retry %d',
    'vcpu_id',
    'gfn',
    'hva',
    'pfn',
    'level',
    'snapshot',
    'seq',
    'in_progress',
    'range_start',
    'range_end',
    symbolic('root', ROOT_STATES),
    'retry',
  ],
  vcpu_flush_request: [{ vcpu_id: 'unsigned int' }, 'vcpu %u', 'vcpu_id'],
  vcpu_tlb_flush: [{ vcpu_id: 'unsigned int' }, 'vcpu %u', 'vcpu_id'],
});
