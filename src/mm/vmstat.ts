// /proc/vmstat: what the memory manager counts, under Linux's names (include/linux/vm_event_item.h, mmzone.h).
//
// Every file of the room increments its own counters; readers outside use readVmstat(), which adds the sizes that are
// kept elsewhere (free list, LRU lists, swap).
//
// Counters are not shared state in the sense of sched/points.ts: nothing ever decides by them.

import type { Host } from './host.ts';

/** Events since boot, and the few sizes that nobody else keeps. All in pages or occurrences. */
export const newVmstat = () => ({
  nr_anon_pages: 0,
  nr_mapped: 0,
  nr_file_pages: 0,
  nr_dirty: 0,
  nr_shmem: 0,
  nr_mlock: 0,
  nr_anon_transparent_hugepages: 0,
  nr_page_table_pages: 0,
  nr_sec_page_table_pages: 0,
  nr_vmscan_write: 0,
  pgpgin: 0,
  pgpgout: 0,
  pswpin: 0,
  pswpout: 0,
  swpin_zero: 0,
  swpout_zero: 0,
  swap_ra: 0,
  swap_ra_hit: 0,
  pgalloc_normal: 0,
  pgfree: 0,
  allocstall_normal: 0,
  pgfault: 0,
  pgmajfault: 0,
  pgreuse: 0,
  pgactivate: 0,
  pgdeactivate: 0,
  pgrotated: 0,
  pgscan_kswapd: 0,
  pgscan_direct: 0,
  pgscan_anon: 0,
  pgscan_file: 0,
  pgsteal_kswapd: 0,
  pgsteal_direct: 0,
  pgsteal_anon: 0,
  pgsteal_file: 0,
  pageoutrun: 0,
  kswapd_low_wmark_hit_quickly: 0,
  kswapd_high_wmark_hit_quickly: 0,
  workingset_refault_anon: 0,
  workingset_refault_file: 0,
  workingset_activate_anon: 0,
  workingset_activate_file: 0,
  workingset_restore_anon: 0,
  workingset_restore_file: 0,
  oom_kill: 0,
  ksm_swpin_copy: 0,
  cow_ksm: 0,
  numa_pte_updates: 0,
  numa_hint_faults: 0,
  numa_hint_faults_local: 0,
  numa_pages_migrated: 0,
  pgmigrate_success: 0,
  pgmigrate_fail: 0,
  compact_migrate_scanned: 0,
  compact_free_scanned: 0,
  compact_isolated: 0,
  compact_stall: 0,
  compact_fail: 0,
  compact_success: 0,
  unevictable_pgs_culled: 0,
  unevictable_pgs_rescued: 0,
  unevictable_pgs_mlocked: 0,
  unevictable_pgs_munlocked: 0,
  unevictable_pgs_cleared: 0,
  unevictable_pgs_stranded: 0,
  thp_fault_alloc: 0,
  thp_fault_fallback: 0,
  thp_collapse_alloc: 0,
  thp_collapse_alloc_failed: 0,
  thp_split_page: 0,
  thp_split_page_failed: 0,
  thp_split_pmd: 0,
  thp_deferred_split_page: 0,
  thp_swpout_fallback: 0,
  nr_tlb_remote_flush: 0,
  nr_tlb_remote_flush_received: 0,
});

export type Vmstat = ReturnType<typeof newVmstat>;

/** One reading of /proc/vmstat. */
export function readVmstat(host: Host): Readonly<Record<string, number>> {
  return {
    nr_free_pages: host.zone.freePages,
    nr_inactive_anon: host.lruvec.inactive('anon'),
    nr_active_anon: host.lruvec.active('anon'),
    nr_inactive_file: host.lruvec.inactive('file'),
    nr_active_file: host.lruvec.active('file'),
    nr_unevictable: host.lruvec.unevictable,
    nr_isolated_anon: host.lruvec.isolated.anon,
    nr_isolated_file: host.lruvec.isolated.file,
    nr_writeback: host.throttle.writebackInFlight,
    nr_swapcached: host.swap?.cachedPages ?? 0,

    ...host.vmstat,
  };
}
