// What a page fault is handed around as: struct vm_fault, and its flags in and out (include/linux/mm_types.h).
//
// gup.ts and userAccess.ts start one; fault.ts fills it and hands it to copyOnWrite.ts and swapIn.ts, whose answers are
// VM_FAULT bits.

import { Errno, type Hpa, type Hva } from '../../units.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';

export const FAULT_FLAG_WRITE = 1 << 0;
/** The first sleep may be taken with the lock dropped, to answer VM_FAULT_RETRY. */
export const FAULT_FLAG_ALLOW_RETRY = 1 << 1;
export const FAULT_FLAG_TRIED = 1 << 2;
/** The VMA's lock is held, not mmap_lock. */
export const FAULT_FLAG_VMA_LOCK = 1 << 3;

/** The page must become this mm's alone, though nobody writes to it. */
export const FAULT_FLAG_UNSHARE = 1 << 4;

export const VM_FAULT_OOM = 1 << 0;
export const VM_FAULT_SIGBUS = 1 << 1;
export const VM_FAULT_MAJOR = 1 << 2;
/** The lock that the fault came with was dropped; look the VMA up again. */
export const VM_FAULT_RETRY = 1 << 3;
/** There is an entry now, made by somebody else perhaps: try the access again. */
export const VM_FAULT_NOPAGE = 1 << 4;
/** vmf.page is locked. */
export const VM_FAULT_LOCKED = 1 << 5;
/** No huge page here: go on with a page of 4 KiB. */
export const VM_FAULT_FALLBACK = 1 << 6;
export const VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS;

export interface VmFault {
  readonly vma: Vma;
  /** Page aligned. */
  readonly address: Hva;
  /** linear_page_index(): of a file mapping the page of the file. */
  readonly pgoff: number;
  flags: number;
  /** Address of the entry; 0 while there is no table. */
  ptep: Hpa;
  /** The entry as it was found. */
  origPte: number;
  /** The file's page, where there is one. */
  page: number;
}

/** What becomes of a process whose access could not be done: a signal with its si_code, or the end of it. */
export type UserSignal = 'SEGV_MAPERR' | 'SEGV_ACCERR' | 'BUS_ADRERR' | 'SWAP_IO' | 'OOM_KILL';

/** mm_fault_error(): of a fault that failed. A slot that could not be read is known by mm.swapError. */
export function signalOf(mm: Mm, result: number): UserSignal {
  if ((result & VM_FAULT_SIGBUS) === 0 || mm.unstable) return 'OOM_KILL';
  return mm.swapError !== null ? 'SWAP_IO' : 'BUS_ADRERR';
}

/** The same to a kernel that accesses user memory. */
export function signalErrno(signal: UserSignal): number {
  if (signal === 'OOM_KILL') return -Errno.ENOMEM;
  return signal === 'SWAP_IO' ? -Errno.EIO : -Errno.EFAULT;
}

/** The errno of a fault that failed. */
export const faultErrno = (mm: Mm, result: number): number => signalErrno(signalOf(mm, result));
