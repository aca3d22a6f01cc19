// The face of mm/: the host's Linux-like memory manager.

export { exitMm } from './exit.ts';
export {
  folioMarkAccessed as markPageAccessed,
  folioMarkDirty as setPageDirty,
  folioPut as putPage,
} from './folio.ts';
export { getUserPage } from './gup.ts';
export { Host, type HostOptions } from './host.ts';
export { freeKernelPages, type KernelUse } from './kernelPages.ts';
export { MADV_COLD, MADV_DONTNEED, MADV_PAGEOUT, madvise } from './madvise.ts';
export { MAP_FIXED, MAP_FIXED_NOREPLACE, mmapAnonymous, PROT_EXEC, PROT_READ, PROT_WRITE } from './mmap.ts';
export type { Mm, SwapReadError } from './mmStruct.ts';
export { munmap } from './munmap.ts';
export { allocKernelPages } from './pageAlloc.ts';
export { reclaimSwapCache } from './swapCache.ts';
export { MemorySwapDevice, type SwapDevice, type SwapRequest } from './swapDevice.ts';
export { cmpxchgUser64, copyFromUser, copyToUser, readUser64 } from './userAccess.ts';
export { userCompareExchange64, userFrame, userLoad64 } from './userStep.ts';
export { readVmstat } from './vmstat.ts';
