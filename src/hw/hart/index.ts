// The face of hw/hart: the hart, its exits, the code cache, and what kvm needs of a guest's privileged state.

export { ACCESS_FAULT, Cause, Irq, type IrqNumber, PAGE_FAULT, PRV_M, PRV_S, PRV_U } from './architecture.ts';
export {
  BLOCK_BYTES,
  CSR_SLOTS,
  type CsrSlot,
  csrOffset,
  EXIT_NAMES,
  Exit,
  type ExitReason,
} from './block.ts';
export type { StaleHit } from './checker.ts';
export { CodeCache, CodePage, type Translator } from './codeCache.ts';
export { inspectCsr } from './csr.ts';
export { DataAccess, type DataAccessKind, Fence, type HartStats, MmuFault } from './exits.ts';
export { guestTranslationMode, satpAsid, satpIsPaged, satpRoot } from './guestState.ts';
export { type AdScheme, Hart, type HartOptions, hartDeviceBytes, type MmuKind } from './hart.ts';
export { NO_ROOT } from './mmu.ts';
export { OPEN_PMP, PMP_SPLIT, Pmp } from './pmp.ts';
export { Speculation } from './speculation.ts';
export { DEFAULT_TRANSLATOR, jumpCacheBytes, WasmTranslator } from './translate/translator.ts';
export { Word64 } from './word64.ts';
