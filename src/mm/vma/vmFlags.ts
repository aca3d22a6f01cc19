// vm_flags: what a VMA is and permits (include/linux/mm.h, the values of 6.18 on 64 bits).
//
// vma.ts carries them; mmap, mprotect, mlock and madvise change them by vmaEdit.ts; /proc/<pid>/smaps shows them.

export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
/** What mprotect() may still permit. */
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
/**
 * userfaultfd: hear of faults where nothing is, of those where nothing is mapped though the page is there (bit 41 in
 * Linux), and of stores to what was write-protected.
 */
export const VM_UFFD_MISSING = 0x200;
export const VM_UFFD_MINOR = 0x400;
export const VM_UFFD_WP = 0x1000;
export const VM_LOCKED = 0x2000;
/** With VM_LOCKED: mlock() is going through the pages. */
export const VM_IO = 0x4000;
/** MADV_SEQUENTIAL, MADV_RANDOM. */
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x10000;
/** MADV_DONTFORK. */
export const VM_DONTCOPY = 0x20000;
export const VM_LOCKONFAULT = 0x80000;
/** Its pages are charged to the commit limit. */
export const VM_ACCOUNT = 0x100000;
/** MAP_NORESERVE. */
export const VM_NORESERVE = 0x200000;
export const VM_WIPEONFORK = 0x2000000;
/** MADV_HUGEPAGE, MADV_NOHUGEPAGE. */
export const VM_HUGEPAGE = 0x20000000;
export const VM_NOHUGEPAGE = 0x40000000;
/** New since the soft-dirty bits were last cleared: all of it counts as dirty. Keeps no two VMAs from merging. */
export const VM_SOFTDIRTY = 0x8000000;
/** MADV_MERGEABLE. Bit 31: a number below 0. */
export const VM_MERGEABLE = 0x80000000 | 0;

export const VM_UFFD_FLAGS = VM_UFFD_MISSING | VM_UFFD_MINOR | VM_UFFD_WP;
export const VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC;
export const VM_MAY_ACCESS = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
export const VM_LOCKED_MASK = VM_LOCKED | VM_LOCKONFAULT;

/** is_cow_mapping(): private, and writable now or some day. */
export const isCowMapping = (flags: number): boolean => (flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
