// The VMM's own process: the address space whose memory is the guest's RAM, be it anonymous, shared
// (memory-backend-memfd) or a file (memory-backend-file).
//
// vmm.ts creates it, the loader and HTIF read and write guest memory through it, kvm maps guest frames to it. Every
// access goes through the process's page tables and may fault pages in, as any process's would.
//
// Invariant: guest physical RAM [Layout.ram, + ramBytes) is the process's [ram, + ramBytes), page for page.

import {
  copyFromUser,
  copyToUser,
  Ext4,
  exitMm,
  type File,
  fput,
  type Host,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  type MemCgroup,
  MemoryBlockDevice,
  type Mm,
  memfdCreate,
  mmap,
  PROT_READ,
  PROT_WRITE,
} from '../mm/index.ts';
import type { Steps } from '../sched/index.ts';
import { Errno, type Hva, hva, PAGE_SIZE } from '../units.ts';
import type { GuestMemory } from './htif.ts';
import { Layout } from './layout.ts';

/** The host CPU on which the VMM's devices and loader run. */
const DEVICE_CPU = 0;

export class VmmProcess implements GuestMemory {
  readonly mm: Mm;
  readonly ram: Hva;
  readonly ramBytes: number;

  /** What RAM is a shared mapping of, open; null: it is anonymous. */
  readonly file: File | null;
  /** Where the file is, if it is on a disk. */
  readonly disk: Ext4 | null;

  constructor(mm: Mm, ram: Hva, ramBytes: number, file: File | null, disk: Ext4 | null) {
    this.mm = mm;
    this.ram = ram;
    this.ramBytes = ramBytes;
    this.file = file;
    this.disk = disk;
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

/** What guest RAM is: private anonymous memory, a shmem object, or a file on a disk of its own. */
export type RamBacking = 'anonymous' | 'shmem' | 'file';

/** fork, exec and mmap, as it were. The process, or -errno. */
export function* createProcess(
  host: Host,
  ramBytes: number,
  backing: RamBacking,
  memcg: MemCgroup | null,
): Steps<VmmProcess | number> {
  const mm = yield* host.createMm();
  if (mm === null) return -Errno.ENOMEM;
  mm.memcg = memcg;
  const disk =
    backing === 'file' ? new Ext4(host, new MemoryBlockDevice(Math.ceil(ramBytes / PAGE_SIZE))) : null;
  const file = backing === 'shmem' ? memfdCreate(host, ramBytes) : (disk?.createFile(ramBytes) ?? null);
  const flags = file === null ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  const address = yield* mmap(mm, 0, ramBytes, PROT_READ | PROT_WRITE, flags, file, 0);
  return address < 0 ? address : new VmmProcess(mm, hva(address), ramBytes, file, disk);
}

/** exit(): the memory goes, then the file that it was, then the disk. */
export function* endProcess({ mm, file, disk }: VmmProcess): Steps {
  yield* exitMm(mm);
  yield* fput(file);
  if (disk !== null) yield* disk.unmount();
}
