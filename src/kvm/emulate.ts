// Emulated stores: what a guest writes where no spte may be writable, because a guest table or a watched page is there
// (kvm_mmu_page_fault's RET_PF_EMULATE; the emulator's write path).
//
// The store is one access of this CPU through the VMM process's page tables; what depends on the written page is zapped
// afterwards. Locks: none held; may sleep.

import type { Hart } from '../hw/hart/index.ts';
import { copyToUser, getUserPage, putPage, userFrame } from '../mm/index.ts';
import type { Steps } from '../sched/index.ts';
import { Errno, type Gpa, gpaToGfn, type Hva, PAGE_SIZE, type Pfn, pageOffset, pfnToHpa } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { gfnToMemslot } from './memslot.ts';
import { kvmTrackWrite } from './trackWrite.ts';
import type { Vcpu } from './vcpuState.ts';

/** Performs the store, AMO or SC at the hart's pc on the one page of `gpa`. 0, or -errno of faulting it in. */
export function* emulateStore(vcpu: Vcpu, hart: Hart, gpa: Gpa): Steps<number> {
  const { kvm } = vcpu;
  vcpu.stats.insn_emulation++;
  const slot = gfnToMemslot(kvm, gpaToGfn(gpa));
  if (slot === null) return -Errno.EFAULT;
  const hva = slot.hvaOf(gpaToGfn(gpa));
  for (;;) {
    // One hardware access: translation and store are not separated by anything.
    const frame = userFrame(kvm.mm, hva, true);
    if (frame >= 0) {
      hart.emulateStore(pfnToHpa(frame as Pfn));
      break;
    }
    const page = yield* getUserPage(kvm.mm, hva, true);
    if (page < 0 && page !== -Errno.EAGAIN) return page;
    if (page >= 0) yield* putPage(kvm.host, page as Pfn);
  }
  yield* afterWrite(vcpu, gpa, hart.access.bytes);
  return 0;
}

/** The two pages of a store that crosses from one to the next, as guest physical addresses of its first and later bytes. */
export interface CrossingStore {
  readonly first: Gpa;
  readonly second: Gpa;
}

/** Performs a page-crossing store of the value in hart.access. 0, or -errno. */
export function* emulateCrossingStore(
  vcpu: Vcpu,
  hart: Hart,
  { first, second }: CrossingStore,
): Steps<number> {
  const { lo, hi, bytes: size } = hart.access;
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, lo, true);
  view.setInt32(4, hi, true);
  const split = PAGE_SIZE - pageOffset(first);
  for (const [gpa, part] of [
    [first, bytes.subarray(0, split)],
    [second, bytes.subarray(split, size)],
  ] as const) {
    const error = yield* writeGuest(vcpu.kvm, gpa, part);
    if (error !== 0) return error;
    yield* afterWrite(vcpu, gpa, part.length);
  }
  hart.completeStore();
  return 0;
}

/** kvm_vcpu_write_guest(), within one page. */
function* writeGuest(kvm: Kvm, gpa: Gpa, bytes: Uint8Array): Steps<number> {
  const slot = gfnToMemslot(kvm, gpaToGfn(gpa));
  if (slot === null) return -Errno.EFAULT;
  return yield* copyToUser(
    kvm.mm,
    kvm.sched.current.cpu,
    (slot.hvaOf(gpaToGfn(gpa)) + pageOffset(gpa)) as Hva,
    bytes,
  );
}

function* afterWrite(vcpu: Vcpu, gpa: Gpa, length: number): Steps {
  const { kvm, run } = vcpu;
  yield* kvmTrackWrite(kvm, gpa, length);
  if (!kvm.watchedGfns.has(gpaToGfn(gpa))) return;
  run.exitReason = 'tracked_write';
  run.trackedWrite.gpa = gpa;
  run.trackedWrite.length = length;
}
