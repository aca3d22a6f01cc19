// A process's access to its own memory, through the TLB of the CPU it runs on: its own loads and stores, and
// copy_to_user() and its like.
//
// The VMM, kvm's emulation and scripted processes use these. Each page is one step of hardware: translate (which may
// walk, set A and D, and fill the TLB) and move the bytes; when it faults, the fault is handled and the step tried
// again.
//
// Invariant: between the translation and the access nothing else runs, as on a CPU that has not taken its IPI yet.

import { TLB_FAULT } from '../../hw/tlb/index.ts';
import { at, mightFault, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, pageOffset } from '../../units.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { isAccessError } from '../vma/vma.ts';
import { lockVmaUnderRcu } from '../vma/vmaLock.ts';
import { handleMmFault } from './fault.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_VMA_LOCK,
  FAULT_FLAG_WRITE,
  signalErrno,
  signalOf,
  type UserSignal,
  VM_FAULT_ERROR,
  VM_FAULT_RETRY,
} from './faultTypes.ts';

/** The error code of a page fault as x86 has it, for traces. */
const PFERR_WRITE = 2;
const PFERR_USER = 4;

/** copy_to_user(): 0, or -EFAULT, -ENOMEM, -EIO; what was copied before an error stays copied. */
export function* copyToUser(mm: Mm, cpu: number, to: Hva, bytes: Uint8Array): Steps<number> {
  for (let done = 0; done < bytes.length; ) {
    const address = (to + done) as Hva;
    const length = Math.min(bytes.length - done, PAGE_SIZE - pageOffset(address));
    const reached = yield* access(mm, cpu, address, true);
    if (reached < 0) return reached;
    mm.host.memory.writeBytes(reached as Hpa, bytes.subarray(done, done + length));
    done += length;
  }
  return 0;
}

/** copy_from_user(): fills `into`; 0 or -errno as copyToUser(). */
export function* copyFromUser(mm: Mm, cpu: number, from: Hva, into: Uint8Array): Steps<number> {
  for (let done = 0; done < into.length; ) {
    const address = (from + done) as Hva;
    const length = Math.min(into.length - done, PAGE_SIZE - pageOffset(address));
    const reached = yield* access(mm, cpu, address, false);
    if (reached < 0) return reached;
    into.set(mm.host.memory.readBytes(reached as Hpa, length), done);
    done += length;
  }
  return 0;
}

/** get_user() of an aligned 64-bit word; 0 or -errno. */
export function* readUser64(
  mm: Mm,
  cpu: number,
  address: Hva,
  out: { lo: number; hi: number },
): Steps<number> {
  const reached = yield* access(mm, cpu, address, false);
  if (reached < 0) return reached;
  out.lo = mm.host.memory.read32(reached as Hpa);
  out.hi = mm.host.memory.read32((reached + 4) as Hpa);
  return 0;
}

/** cmpxchg of an aligned 64-bit word in user memory: 1 done, 0 it was not `old`, or -errno. */
export function* cmpxchgUser64(
  mm: Mm,
  cpu: number,
  address: Hva,
  oldLo: number,
  oldHi: number,
  newLo: number,
  newHi: number,
): Steps<number> {
  const { memory } = mm.host;
  const reached = yield* access(mm, cpu, address, true);
  if (reached < 0) return reached;
  if (memory.read32(reached as Hpa) !== oldLo || memory.read32((reached + 4) as Hpa) !== oldHi) return 0;
  memory.write64(reached as Hpa, newLo, newHi);
  return 1;
}

/** A load of one byte by the process itself: the byte, or the signal that it takes. */
export function* userLoad8(mm: Mm, cpu: number, address: Hva): Steps<number | UserSignal> {
  const reached = yield* reach(mm, cpu, address, false);
  if (typeof reached === 'string') return reached;
  return mm.host.memory.readBytes(reached as Hpa, 1)[0]!;
}

/** A store of one byte by the process itself: 0, or the signal that it takes. */
export function* userStore8(mm: Mm, cpu: number, address: Hva, byte: number): Steps<0 | UserSignal> {
  const reached = yield* reach(mm, cpu, address, true);
  if (typeof reached === 'string') return reached;
  mm.host.memory.writeBytes(reached as Hpa, Uint8Array.of(byte));
  return 0;
}

/** One access of one page by the kernel: the byte address it reached, valid until the caller next yields; or -errno. */
function* access(mm: Mm, cpu: number, address: Hva, write: boolean): Steps<number> {
  mightFault(mm.host.sched);
  const reached = yield* reach(mm, cpu, address, write);
  return typeof reached === 'string' ? signalErrno(reached) : reached;
}

function* reach(mm: Mm, cpu: number, address: Hva, write: boolean): Steps<number | UserSignal> {
  const { tlb } = mm.host.cpus[cpu]!;
  for (;;) {
    if (points.on) yield at.tlb(cpu);
    mm.cpuMask |= 1 << cpu;
    const reached = tlb.translate(mm.id, mm.root, address, write);
    if (reached !== TLB_FAULT) return reached;
    mm.host.trace.page_fault_user?.(address, 0, PFERR_USER | (write ? PFERR_WRITE : 0));
    const signal = yield* doPageFault(mm, address, write);
    if (signal !== null) return signal;
  }
}

/** do_page_fault(): with the VMA's lock if that will do, with mmap_lock otherwise. Null means: try the access again. */
function* doPageFault(mm: Mm, address: Hva, write: boolean): Steps<UserSignal | null> {
  const { locks } = mm.host;
  let flags = FAULT_FLAG_ALLOW_RETRY | (write ? FAULT_FLAG_WRITE : 0);
  if (mm.killed) return 'OOM_KILL';
  const locked = yield* lockVmaUnderRcu(mm, address);
  if (locked !== null) {
    if (isAccessError(locked, write)) {
      yield* locks.vmaEndRead(locked);
      return 'SEGV_ACCERR';
    }
    const result = yield* handleMmFault(locked, address, flags | FAULT_FLAG_VMA_LOCK);
    if ((result & VM_FAULT_RETRY) === 0) {
      yield* locks.vmaEndRead(locked);
      return accountFault(mm, result);
    }
  }
  for (;;) {
    if (mm.killed) return 'OOM_KILL';
    yield* locks.mmapReadLock(mm);
    const result = yield* faultUnderMmapLock(mm, address, flags);
    if (typeof result === 'string' || (result & VM_FAULT_RETRY) === 0) {
      yield* locks.mmapReadUnlock(mm);
      return typeof result === 'string' ? result : accountFault(mm, result);
    }
    flags |= FAULT_FLAG_TRIED;
  }
}

/** mm_account_fault(): a fault counts once it is done. */
function accountFault(mm: Mm, result: number): UserSignal | null {
  if ((result & VM_FAULT_ERROR) !== 0) return signalOf(mm, result);
  mm.faults++;
  return null;
}

function* faultUnderMmapLock(mm: Mm, address: Hva, flags: number): Steps<number | UserSignal> {
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  if (vma === null) return 'SEGV_MAPERR';
  if (isAccessError(vma, (flags & FAULT_FLAG_WRITE) !== 0)) return 'SEGV_ACCERR';
  return yield* handleMmFault(vma, address, flags);
}
