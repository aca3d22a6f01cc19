// ksm: as Linux 6.18 has it (include/trace/events/ksm.h), without the advisor.
//
// mm/ calls these. Where the kernel records a pointer to an mm_struct, a ksm_rmap_item or a page, the number that Umbra
// knows it by stands.

import { either, system } from '../shape.ts';

const SCAN = [{ seq: 'int', rmap_entries: 'u32' }, 'seq %d rmap size %d', 'seq', 'rmap_entries'] as const;
const ENTER_EXIT = [{ mm: 'void *' }, 'mm %p', 'mm'] as const;

export const KSM_EVENTS = system('ksm', {
  ksm_start_scan: SCAN,
  ksm_stop_scan: SCAN,
  ksm_enter: ENTER_EXIT,
  ksm_exit: ENTER_EXIT,
  ksm_merge_one_page: [
    { pfn: 'unsigned long', rmap_item: 'void *', mm: 'void *', err: 'int' },
    'ksm pfn %lu rmap_item %p mm %p error %d',
    'pfn',
    'rmap_item',
    'mm',
    'err',
  ],
  ksm_merge_with_ksm_page: [
    { ksm_page: 'void *', pfn: 'unsigned long', rmap_item: 'void *', mm: 'void *', err: 'int' },
    '%spfn %lu rmap_item %p mm %p error %d',
    either('ksm_page', 'ksm ', ''),
    'pfn',
    'rmap_item',
    'mm',
    'err',
  ],
  ksm_remove_ksm_page: [{ pfn: 'unsigned long' }, 'pfn %lu', 'pfn'],
  ksm_remove_rmap_item: [
    { pfn: 'unsigned long', rmap_item: 'void *', mm: 'void *' },
    'pfn %lu rmap_item %p mm %p',
    'pfn',
    'rmap_item',
    'mm',
  ],
});
