// The face of hw/tlb: one hart's TLB, the domain of all TLBs over a memory, and the layout that generated code inlines.

export { CpuTlb, type CpuTlbEntry, TLB_FAULT } from './cpuTlb.ts';
export { TlbDomain } from './domain.ts';
export { type EntryKind, type EntryVisitor, FirstLevel } from './firstLevel.ts';
export * from './layout.ts';
export { REGIMES_MAX, Regime, type RegimeKey } from './regime.ts';
export { SecondLevel } from './secondLevel.ts';
export { Tlb, translation, translationInfo, translationPfn } from './tlb.ts';
