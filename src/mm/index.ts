// The face of mm/: the host's Linux-like memory manager.

export { type BlockDevice, type BlockRequest, MemoryBlockDevice } from './blockDevice.ts';
export { compactMemory } from './compaction.ts';
export { shrinkAllMemory, tryToFreePages } from './directReclaim.ts';
export { exitMm } from './exit.ts';
export { Ext4 } from './ext4.ts';
export type { UserSignal } from './faultTypes.ts';
export { type File, fput } from './file.ts';
export { filePunchHole, fileRead, fileTruncate, fileWrite } from './fileIo.ts';
export {
  folioMarkAccessed as markPageAccessed,
  folioMarkDirty as setPageDirty,
  putPage,
} from './folio.ts';
export { fork } from './fork.ts';
export { getUserPage, pinUserPage, unpinUserPage } from './gup.ts';
export { type HmmPfn, type HmmRange, hmmRangeFault } from './hmm.ts';
export { Host, type HostOptions } from './host.ts';
export { freeKernelPages, type KernelUse } from './kernelPages.ts';
export { readKhugepaged } from './khugepaged.ts';
export { thpStore } from './khugepagedScan.ts';
export { KSM_RUN_MERGE, KSM_RUN_STOP, KSM_RUN_UNMERGE, ksmMaxPageSharingStore, readKsm } from './ksm.ts';
export { ksmRunStore } from './ksmScan.ts';
export {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_UNMERGEABLE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  madvise,
} from './madvise.ts';
export { memoryHighWrite, memoryMaxWrite, memoryReclaimWrite } from './memcgCharge.ts';
export { type MemCgroup, readMemCgroup } from './memcontrol.ts';
export { migrateUserPages } from './migrateUser.ts';
export { mincore } from './mincore.ts';
export { MLOCK_ONFAULT, mlock, munlock } from './mlock.ts';
export {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  mmapAnonymous,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from './mmap.ts';
export type { Mm, SwapReadError } from './mmStruct.ts';
export { MREMAP_DONTUNMAP } from './moveVma.ts';
export { mprotect } from './mprotect.ts';
export { MREMAP_FIXED, MREMAP_MAYMOVE, mremap } from './mremap.ts';
export { MS_ASYNC, MS_INVALIDATE, MS_SYNC, msync } from './msync.ts';
export { munmap } from './munmap.ts';
export { changeProtNuma } from './numaBalancing.ts';
export { allocKernelPages } from './pageAlloc.ts';
export { pageIdleBitmapRead, pageIdleBitmapWrite } from './pageIdle.ts';
export { hostMappingLevel } from './pmd.ts';
export { type MapsEntry, type PagemapEntry, readMaps, readPagemap } from './procMaps.ts';
export {
  kpageFlags,
  pagemapEntry,
  readKpagecount,
  readKpageflags,
  readPagemapImage,
} from './procPagemap.ts';
export { memfdCreate } from './shmem.ts';
export { DEFAULT_SEEKS, type Shrinker } from './shrinker.ts';
export { clearSoftDirty } from './softDirty.ts';
export { reclaimSwapCache } from './swapCache.ts';
export { MemorySwapDevice, type SwapDevice, type SwapRequest } from './swapDevice.ts';
export { SHMEM_LIKE, type ShmemEnabled, type ThpEnabled, type ThpSettings } from './thp.ts';
export {
  UFFDIO_CONTINUE_MODE_DONTWAKE,
  UFFDIO_CONTINUE_MODE_WP,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_ZEROPAGE_MODE_DONTWAKE,
  uffdioContinue,
  uffdioCopy,
  uffdioZeropage,
} from './uffdFill.ts';
export {
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
  UFFDIO_WRITEPROTECT_MODE_WP,
  uffdioRegister,
  uffdioUnregister,
  uffdioWake,
  uffdioWriteprotect,
  userfaultfdRelease,
} from './uffdIoctl.ts';
export { UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES, UFFDIO_MOVE_MODE_DONTWAKE, uffdioMove } from './uffdMove.ts';
export { cmpxchgUser64, copyFromUser, copyToUser, readUser64, userLoad8, userStore8 } from './userAccess.ts';
export {
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  type UffdMsg,
  type Userfaultfd,
  userfaultfd,
} from './userfaultfd.ts';
export { userCompareExchange64, userFrame, userLoad64 } from './userStep.ts';
export {
  VM_DONTCOPY,
  VM_EXEC,
  VM_HUGEPAGE,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
} from './vmFlags.ts';
export { readVmstat } from './vmstat.ts';
export { vfsFsync } from './writeback.ts';
