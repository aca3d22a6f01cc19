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
  GRANTED_ROOTS,
} from './block.ts';
export type { StaleHit } from './checker.ts';
export { CodeCache, CodePage, type Translator } from './codeCache.ts';
export { inspectCsr } from './csr.ts';
export { DataAccess, type DataAccessKind, Fence, type HartStats, MmuFault } from './exits.ts';
export { endGrants, grantFences, grantRoot } from './grants.ts';
export { guestTranslationMode, satpAsid, satpIsPaged, satpRoot } from './guestState.ts';
export { Hart } from './hart.ts';
export { NO_ROOT } from './mmu.ts';
export { type AdScheme, type HartOptions, hartDeviceBytes, type MmuKind } from './options.ts';
export { OPEN_PMP, PMP_SPLIT, Pmp } from './pmp.ts';
export { breakReservation, clearReservation } from './reservation.ts';
export { Speculation } from './speculation.ts';
export { DEFAULT_TRANSLATOR, jumpCacheBytes, WasmTranslator } from './translate/translator.ts';
export { Word64 } from './word64.ts';
