// KVM statistics under the names of kvm_vm_stats_desc and kvm_vcpu_stats_desc (arch/x86/kvm/x86.c).
//
// Plain counters, incremented where the event happens; `mmu_unsync`, `pages_4k`, `pages_2m` are instantaneous, `max_*`
// are peaks.

export interface VmStats {
  remote_tlb_flush: number;
  remote_tlb_flush_requests: number;
  mmu_shadow_zapped: number;
  mmu_pte_write: number;
  mmu_flooded: number;
  mmu_recycled: number;
  mmu_cache_miss: number;
  mmu_unsync: number;
  pages_4k: number;
  pages_2m: number;
  max_mmu_rmap_size: number;
  max_mmu_page_hash_collisions: number;
}

export const newVmStats = (): VmStats => ({
  remote_tlb_flush: 0,
  remote_tlb_flush_requests: 0,
  mmu_shadow_zapped: 0,
  mmu_pte_write: 0,
  mmu_flooded: 0,
  mmu_recycled: 0,
  mmu_cache_miss: 0,
  mmu_unsync: 0,
  pages_4k: 0,
  pages_2m: 0,
  max_mmu_rmap_size: 0,
  max_mmu_page_hash_collisions: 0,
});

export interface VcpuStats {
  exits: number;
  pf_taken: number;
  pf_fixed: number;
  pf_emulate: number;
  pf_spurious: number;
  pf_guest: number;
  pf_mmu_retry: number;
  tlb_flush: number;
  invlpg: number;
  mmio_exits: number;
  halt_exits: number;
  insn_emulation: number;
}

export const newVcpuStats = (): VcpuStats => ({
  exits: 0,
  pf_taken: 0,
  pf_fixed: 0,
  pf_emulate: 0,
  pf_spurious: 0,
  pf_guest: 0,
  pf_mmu_retry: 0,
  tlb_flush: 0,
  invlpg: 0,
  mmio_exits: 0,
  halt_exits: 0,
  insn_emulation: 0,
});
