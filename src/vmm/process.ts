// The VMM's own process: the address space whose anonymous memory is the guest's RAM.
//
// vmm.ts creates it, the loader and HTIF read and write guest memory through it, kvm maps guest frames to it. Every
// access goes through the process's page tables and may fault pages in, as any process's would.
//
// Invariant: guest physical RAM [Layout.ram, + ramBytes) is the process's [ram, + ramBytes), page for page.

import {
  copyFromUser,
  copyToUser,
  type Host,
  type Mm,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
} from '../mm/index.ts';
import type { Steps } from '../sched/index.ts';
import { Errno, type Hva, hva } from '../units.ts';
import type { GuestMemory } from './htif.ts';
import { Layout } from './layout.ts';

/** The host CPU on which the VMM's devices and loader run. */
const DEVICE_CPU = 0;

export class VmmProcess implements GuestMemory {
  readonly mm: Mm;
  readonly ram: Hva;
  readonly ramBytes: number;

  constructor(mm: Mm, ram: Hva, ramBytes: number) {
    this.mm = mm;
    this.ram = ram;
    this.ramBytes = ramBytes;
  }

  /** 0, or -EFAULT (not all of it is RAM), -ENOMEM, -EIO. */
  *read(address: number, into: Uint8Array): Steps<number> {
    if (!this.#holds(address, into.length)) return -Errno.EFAULT;
    return yield* copyFromUser(this.mm, DEVICE_CPU, this.#hvaOf(address), into);
  }

  /** As read(). */
  *write(address: number, bytes: Uint8Array): Steps<number> {
    if (!this.#holds(address, bytes.length)) return -Errno.EFAULT;
    return yield* copyToUser(this.mm, DEVICE_CPU, this.#hvaOf(address), bytes);
  }

  #holds(address: number, length: number): boolean {
    return address >= Layout.ram && address + length <= Layout.ram + this.ramBytes;
  }

  #hvaOf(address: number): Hva {
    return hva(this.ram + (address - Layout.ram));
  }
}

/** fork, exec and mmap, as it were. The process, or -errno. */
export function* createProcess(host: Host, ramBytes: number): Steps<VmmProcess | number> {
  const mm = yield* host.createMm();
  if (mm === null) return -Errno.ENOMEM;
  const address = yield* mmapAnonymous(mm, 0, ramBytes, PROT_READ | PROT_WRITE, 0);
  return address < 0 ? address : new VmmProcess(mm, hva(address), ramBytes);
}
