// Request bits and modes of a vCPU (KVM_REQ_*, enum of vcpu->mode); requests.ts says how the two are used together.

export const Request = {
  /** KVM_REQ_TLB_FLUSH */
  tlbFlush: 1,
  /** KVM_REQ_MMU_FREE_OBSOLETE_ROOTS */
  freeObsoleteRoots: 2,
  /** KVM_REQ_HFENCE: the pages in vcpu.pagesToFlush. */
  tlbFlushPages: 4,
} as const;

export const VcpuMode = { outsideGuest: 0, inGuest: 1, exitingGuest: 2 } as const;
export type VcpuMode = (typeof VcpuMode)[keyof typeof VcpuMode];
