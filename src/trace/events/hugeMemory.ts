// huge_memory: as Linux 6.18 has it (include/trace/events/huge_memory.h).
//
// mm/thp/collapse.ts and its like call these. An mm is shown by its number, where a kernel shows a hashed pointer.

import { numbered, string, symbolic, system, type Text } from '../shape.ts';

/** enum scan_result, in the kernel's order, with the names that it prints. */
const SCAN_RESULTS = [
  ['FAIL', 'failed'],
  ['SUCCEED', 'succeeded'],
  ['PMD_NULL', 'pmd_null'],
  ['PMD_NONE', 'pmd_none'],
  ['PMD_MAPPED', 'page_pmd_mapped'],
  ['EXCEED_NONE_PTE', 'exceed_none_pte'],
  ['EXCEED_SWAP_PTE', 'exceed_swap_pte'],
  ['EXCEED_SHARED_PTE', 'exceed_shared_pte'],
  ['PTE_NON_PRESENT', 'pte_non_present'],
  ['PTE_UFFD_WP', 'pte_uffd_wp'],
  ['PTE_MAPPED_HUGEPAGE', 'pte_mapped_hugepage'],
  ['LACK_REFERENCED_PAGE', 'lack_referenced_page'],
  ['PAGE_NULL', 'page_null'],
  ['SCAN_ABORT', 'scan_aborted'],
  ['PAGE_COUNT', 'not_suitable_page_count'],
  ['PAGE_LRU', 'page_not_in_lru'],
  ['PAGE_LOCK', 'page_locked'],
  ['PAGE_ANON', 'page_not_anon'],
  ['PAGE_COMPOUND', 'page_compound'],
  ['ANY_PROCESS', 'no_process_for_page'],
  ['VMA_NULL', 'vma_null'],
  ['VMA_CHECK', 'vma_check_failed'],
  ['ADDRESS_RANGE', 'not_suitable_address_range'],
  ['DEL_PAGE_LRU', 'could_not_delete_page_from_lru'],
  ['ALLOC_HUGE_PAGE_FAIL', 'alloc_huge_page_failed'],
  ['CGROUP_CHARGE_FAIL', 'ccgroup_charge_failed'],
  ['TRUNCATED', 'truncated'],
  ['PAGE_HAS_PRIVATE', 'page_has_private'],
  ['STORE_FAILED', 'store_failed'],
  ['COPY_MC', 'copy_poisoned_page'],
  ['PAGE_FILLED', 'page_filled'],
] as const;

type ScanName = (typeof SCAN_RESULTS)[number][0];

/** SCAN_*: what came of looking at 2 MiB that might be collapsed. */
export const Scan = Object.fromEntries(SCAN_RESULTS.map(([name], value) => [name, value])) as Readonly<
  Record<ScanName, number>
>;

const SCAN_TEXTS = numbered(SCAN_RESULTS.map(([, text]) => text));
const status = symbolic('status', SCAN_TEXTS);
const result = symbolic('result', SCAN_TEXTS);

/** What file->f_path.dentry->d_iname is: of shared anonymous memory, and of memfd_create(""). */
export const FileName = { DEV_ZERO: 0, MEMFD: 1 } as const;
const FILE_NAMES: Text = { texts: numbered(['dev/zero', 'memfd:']) };
const filename = string('filename', FILE_NAMES);

export const HUGE_MEMORY_EVENTS = system('huge_memory', {
  mm_khugepaged_scan_pmd: [
    {
      mm: 'struct mm_struct *',
      pfn: 'unsigned long',
      referenced: 'int',
      none_or_zero: 'int',
      status: 'int',
      unmapped: 'int',
    },
    'mm=%p, scan_pfn=0x%lx, referenced=%d, none_or_zero=%d, status=%s, unmapped=%d',
    'mm',
    'pfn',
    'referenced',
    'none_or_zero',
    status,
    'unmapped',
  ],
  mm_collapse_huge_page: [
    { mm: 'struct mm_struct *', isolated: 'int', status: 'int' },
    'mm=%p, isolated=%d, status=%s',
    'mm',
    'isolated',
    status,
  ],
  mm_collapse_huge_page_isolate: [
    { pfn: 'unsigned long', none_or_zero: 'int', referenced: 'int', status: 'int' },
    'scan_pfn=0x%lx, none_or_zero=%d, referenced=%d, status=%s',
    'pfn',
    'none_or_zero',
    'referenced',
    status,
  ],
  mm_collapse_huge_page_swapin: [
    { mm: 'struct mm_struct *', swapped_in: 'int', referenced: 'int', ret: 'int' },
    'mm=%p, swapped_in=%d, referenced=%d, ret=%d',
    'mm',
    'swapped_in',
    'referenced',
    'ret',
  ],
  mm_khugepaged_scan_file: [
    {
      mm: 'struct mm_struct *',
      pfn: 'unsigned long',
      filename: FILE_NAMES,
      present: 'int',
      swap: 'int',
      result: 'int',
    },
    'mm=%p, scan_pfn=0x%lx, filename=%s, present=%d, swap=%d, result=%s',
    'mm',
    'pfn',
    filename,
    'present',
    'swap',
    result,
  ],
  mm_khugepaged_collapse_file: [
    {
      mm: 'struct mm_struct *',
      hpfn: 'unsigned long',
      index: 'unsigned long',
      addr: 'unsigned long',
      is_shmem: 'bool',
      filename: FILE_NAMES,
      nr: 'int',
      result: 'int',
    },
    'mm=%p, hpage_pfn=0x%lx, index=%ld, addr=%lx, is_shmem=%d, filename=%s, nr=%d, result=%s',
    'mm',
    'hpfn',
    'index',
    'addr',
    'is_shmem',
    filename,
    'nr',
    result,
  ],
});
