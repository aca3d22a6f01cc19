// The face of mm/: the host's Linux-like memory manager.
//
// Its files lie in folders as Linux's mm/ names them. A folder has no face of its own: within mm/ each imports the file
// that it needs.
//     page/         frames and folios, and the zone that allocates them
//     pagetable/    entries of both levels, walking and zapping tables, gathering and flushing TLBs
//     vma/          address spaces, their VMAs and locks, and the system calls that make, change and copy them
//     fault/        page faults, of CPUs, GUP and devices; copying on write; NUMA hints
//     rmap/         who maps a folio, and what goes by it: was it used, unmapping, cleaning
//     reclaim/      LRU lists, vmscan, kswapd, what is locked in memory, shrinkers, the OOM killer
//     memcg/        memory cgroups
//     swap/         slots, the swap cache, swapping in, swap I/O
//     filemap/      the page cache: looking up, reading ahead, writing back, truncating
//     ext4/         a file system, and its disk
//     shmem/        objects without a disk
//     thp/          huge pages: faults, splitting, collapsing, khugepaged
//     ksm/          pages that are merged because they are the same
//     migrate/      moving pages, and compaction
//     userfaultfd/  faults that a process handles itself
//     proc/         what /proc and /sys show: maps, pagemap, soft-dirty and idle pages, vmstat
// Beside them: the host, which has one of everything; how to look at it from outside; how to sleep.

export { type BlockDevice, type BlockRequest, MemoryBlockDevice } from './ext4/blockDevice.ts';
export { Ext4 } from './ext4/ext4.ts';
export type { UserSignal } from './fault/faultTypes.ts';
export { getUserPage, pinUserPage, unpinUserPage } from './fault/gup.ts';
export { type HmmPfn, type HmmRange, hmmRangeFault } from './fault/hmm.ts';
export { changeProtNuma } from './fault/numaBalancing.ts';
export {
  cmpxchgUser64,
  copyFromUser,
  copyToUser,
  readUser64,
  userLoad8,
  userStore8,
} from './fault/userAccess.ts';
export { userCompareExchange64, userFrame, userLoad64 } from './fault/userStep.ts';
export { type File, fput } from './filemap/file.ts';
export { filePunchHole, fileRead, fileTruncate, fileWrite } from './filemap/fileIo.ts';
export { vfsFsync } from './filemap/writeback.ts';
export { Host, type HostOptions } from './host.ts';
export { KSM_RUN_MERGE, KSM_RUN_STOP, KSM_RUN_UNMERGE, ksmMaxPageSharingStore, readKsm } from './ksm/ksm.ts';
export { ksmRunStore } from './ksm/ksmScan.ts';
export { memoryHighWrite, memoryMaxWrite, memoryReclaimWrite } from './memcg/memcgCharge.ts';
export { type MemCgroup, readMemCgroup } from './memcg/memcontrol.ts';
export { compactMemory } from './migrate/compaction.ts';
export { migrateUserPages } from './migrate/migrateUser.ts';
export {
  folioMarkAccessed as markPageAccessed,
  folioMarkDirty as setPageDirty,
  putPage,
} from './page/folio.ts';
export { freeKernelPages, type KernelUse } from './page/kernelPages.ts';
export { allocKernelPages } from './page/pageAlloc.ts';
export { hostMappingLevel } from './pagetable/pmd.ts';
export { pageIdleBitmapRead, pageIdleBitmapWrite } from './proc/pageIdle.ts';
export { type MapsEntry, type PagemapEntry, readMaps, readPagemap } from './proc/procMaps.ts';
export {
  kpageFlags,
  pagemapEntry,
  readKpagecount,
  readKpageflags,
  readPagemapImage,
} from './proc/procPagemap.ts';
export { clearSoftDirty } from './proc/softDirty.ts';
export { readVmstat } from './proc/vmstat.ts';
export { shrinkAllMemory, tryToFreePages } from './reclaim/directReclaim.ts';
export { DEFAULT_SEEKS, type Shrinker } from './reclaim/shrinker.ts';
export { memfdCreate } from './shmem/shmem.ts';
export { reclaimSwapCache } from './swap/swapCache.ts';
export { MemorySwapDevice, type SwapDevice, type SwapRequest } from './swap/swapDevice.ts';
export { readKhugepaged } from './thp/khugepaged.ts';
export { thpStore } from './thp/khugepagedScan.ts';
export { SHMEM_LIKE, type ShmemEnabled, type ThpEnabled, type ThpSettings } from './thp/thp.ts';
export {
  UFFDIO_CONTINUE_MODE_DONTWAKE,
  UFFDIO_CONTINUE_MODE_WP,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_ZEROPAGE_MODE_DONTWAKE,
  uffdioContinue,
  uffdioCopy,
  uffdioZeropage,
} from './userfaultfd/uffdFill.ts';
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
} from './userfaultfd/uffdIoctl.ts';
export {
  UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
  UFFDIO_MOVE_MODE_DONTWAKE,
  uffdioMove,
} from './userfaultfd/uffdMove.ts';
export {
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  type UffdMsg,
  type Userfaultfd,
  userfaultfd,
} from './userfaultfd/userfaultfd.ts';
export { exitMm } from './vma/exit.ts';
export { fork } from './vma/fork.ts';
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
} from './vma/madvise.ts';
export { mincore } from './vma/mincore.ts';
export { MLOCK_ONFAULT, mlock, munlock } from './vma/mlock.ts';
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
} from './vma/mmap.ts';
export type { Mm, SwapReadError } from './vma/mmStruct.ts';
export { MREMAP_DONTUNMAP } from './vma/moveVma.ts';
export { mprotect } from './vma/mprotect.ts';
export { MREMAP_FIXED, MREMAP_MAYMOVE, mremap } from './vma/mremap.ts';
export { MS_ASYNC, MS_INVALIDATE, MS_SYNC, msync } from './vma/msync.ts';
export { munmap } from './vma/munmap.ts';
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
} from './vma/vmFlags.ts';
