// What an invalidation costs: by the size of the guest's memory, and by how often the page is mapped.
//
// Of a guest's page, the guest maps it at many virtual addresses under shadow paging and then halts; MADV_DONTNEED of the
// page takes all its sptes away. Of a file's page, a process maps it many times amid mappings of another page; a hole
// punched into the file takes them away. A cost that grows with anything else would show down a column.

import { assemble } from '../../src/asm/index.ts';
import { createHost, createMachine, MACHINE_DEFAULTS, type Machine } from '../../src/machine.ts';
import {
  filePunchHole,
  MADV_DONTNEED,
  MAP_SHARED,
  type Mm,
  madvise,
  memfdCreate,
  mmap,
  PROT_READ,
  PROT_WRITE,
  userStore8,
} from '../../src/mm/index.ts';
import type { Scheduler, Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { readProgram } from '../../src/vmm/index.ts';
import { median } from './measure.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Bytes of guest memory, of which little is there. */
const MEMORIES = [64 * MIB, GIB, 8 * GIB, 64 * GIB] as const;
/** RMAP_RECYCLE_THRESHOLD: KVM lets no page have more sptes. */
const MAX_SPTES = 1000;
const MAPPINGS = [1, 10, 100, 1000, 10_000] as const;
/** VMAs of the process that maps a file: so many in all, whatever share of them maps the page. */
const VMAS = 10_000;
const HOST_RAM = 128 * MIB;

export interface InvalidationCost {
  /** What maps the page: sptes of a guest with so much memory, or VMAs of a process with VMAS of them. */
  readonly by: 'sptes' | 'VMAs';
  readonly memory: number | null;
  readonly mappings: number;
  readonly microseconds: number;
}

export function measureInvalidations(
  repeats: number,
  onCost: (cost: InvalidationCost) => void,
): InvalidationCost[] {
  const costs: InvalidationCost[] = [];
  const add = (cost: InvalidationCost): void => {
    onCost(cost);
    costs.push(cost);
  };
  // So that the first row is not the compiler's.
  costOfSptes(MEMORIES[0], MAX_SPTES, repeats);
  costOfVmas(MAX_SPTES, repeats);
  for (const mappings of MAPPINGS) {
    for (const memory of mappings <= MAX_SPTES ? MEMORIES : [])
      add({ by: 'sptes', memory, mappings, microseconds: costOfSptes(memory, mappings, repeats) });
    add({ by: 'VMAs', memory: null, mappings, microseconds: costOfVmas(mappings, repeats) });
  }
  return costs;
}

/** Runs `body` and returns the microseconds that it took, once everybody else has nothing to do. */
function timed(sched: Scheduler, body: Steps<number>, run: (isOver: () => boolean) => unknown): number {
  let spent = -1;
  sched.spawn(
    'timed',
    (function* () {
      const begin = performance.now();
      const error = yield* body;
      if (error < 0) throw new Error(`the invalidation failed: ${error}`);
      spent = (performance.now() - begin) * 1000;
    })(),
  );
  run(() => spent >= 0);
  return spent;
}

function costOfSptes(memory: number, mappings: number, repeats: number): number {
  const machine = startGuest(memory, mappings);
  const { kvm, ramAddress } = machine.vmm;
  const page = (ramAddress + memory / 2 + PAGE_SIZE) as Hva;
  const spent = Array.from({ length: repeats + 1 }, () => {
    const halts = kvm!.vcpus[0]!.stats.halt_exits;
    runUntil(machine, () => kvm!.vcpus[0]!.stats.halt_exits > halts);
    const before = kvm!.stats.pages_4k;
    const microseconds = timed(machine.sched, madvise(kvm!.mm, page, PAGE_SIZE, MADV_DONTNEED), (isOver) =>
      runUntil(machine, isOver),
    );
    const gone = before - kvm!.stats.pages_4k;
    if (gone !== mappings) throw new Error(`${gone} sptes went, not ${mappings}`);
    return microseconds;
  });
  return median(spent.slice(1));
}

function runUntil(machine: Machine, isOver: () => boolean): void {
  if (machine.runSlice(isOver) !== 'running') throw new Error(`the guest: ${JSON.stringify(machine.stop)}`);
}

function startGuest(memory: number, mappings: number): Machine {
  const { elf } = assemble(guest(memory, mappings), { file: 'invalidation' });
  const machine = createMachine({
    ...MACHINE_DEFAULTS,
    image: readProgram(elf, 'invalidation', memory),
    ramBytes: memory,
    hostRamBytes: HOST_RAM,
  });
  runUntil(machine, () => machine.vmm.kvm !== null && machine.vmm.kvm.vcpus[0]!.stats.halt_exits > 0);
  return machine;
}

/**
 * Touches some pages all over its memory, then again and again one page at `mappings` virtual addresses, and halts until
 * the timer wakes it. In M mode, by MPRV.
 */
const guest = (memory: number, mappings: number): string => `
    .equ MAPPINGS, ${mappings}
    .equ MEMORY, ${memory}
    .equ RAM, 0x80000000
    .equ WINDOW, 0x40000000
    .equ SPREAD, 64
    .equ VRW, 0xc7
    .option norelax
    .text
    .globl _start
_start:
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    la      s0, root
    li      t0, RAM >> 2 | VRW          # RAM at its own addresses, by gigapages
    li      t1, (MEMORY + (1 << 30) - 1) >> 30
    addi    t2, s0, 16
1:  sd      t0, 0(t2)
    li      t3, 1 << 28
    add     t0, t0, t3
    addi    t2, t2, 8
    addi    t1, t1, -1
    bnez    t1, 1b
    la      t0, middle
    srli    t1, t0, 2
    ori     t1, t1, 1
    sd      t1, 8(s0)
    la      t2, leaves
    li      t3, (MAPPINGS + 511) / 512
1:  srli    t1, t2, 2
    ori     t1, t1, 1
    sd      t1, 0(t0)
    addi    t0, t0, 8
    li      t4, 4096
    add     t2, t2, t4
    addi    t3, t3, -1
    bnez    t3, 1b
    la      t0, leaves
    li      t1, (RAM + MEMORY / 2 + 4096) >> 2 | VRW
    li      t2, MAPPINGS
1:  sd      t1, 0(t0)
    addi    t0, t0, 8
    addi    t2, t2, -1
    bnez    t2, 1b
    srli    t0, s0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    csrw    satp, t0
    sfence.vma
    li      t0, 1 << 7                  # mie.MTIE wakes; nothing is taken
    csrw    mie, t0
    li      s2, 1 << 17 | 1 << 11       # mstatus: MPRV, MPP = S
    csrs    mstatus, s2
    li      t0, RAM + MEMORY / 4
    li      t1, SPREAD
    li      t2, MEMORY / 2 / SPREAD
1:  sb      x0, 8(t0)
    add     t0, t0, t2
    addi    t1, t1, -1
    bnez    t1, 1b
again:
    csrs    mstatus, s2
    li      t0, WINDOW
    li      t1, MAPPINGS
    li      t2, 4096
1:  lb      t3, 0(t0)
    add     t0, t0, t2
    addi    t1, t1, -1
    bnez    t1, 1b
    li      t4, 1 << 17
    csrc    mstatus, t4
    li      t0, 0x200bff8
    ld      t1, 0(t0)
    li      t2, 1000000
    add     t1, t1, t2
    li      t0, 0x2004000
    sd      t1, 0(t0)
    wfi
    j       again
    .bss
    .balign 4096
root:   .zero 4096
middle: .zero 4096
leaves: .zero 4096 * 20
`;

function costOfVmas(mappings: number, repeats: number): number {
  const host = createHost({ hostRamBytes: HOST_RAM, swap: null, cpus: 1, seed: 1 });
  const file = memfdCreate(host, 3 * PAGE_SIZE);
  const run = (body: Steps<number>): number => timed(host.sched, body, (isOver) => host.sched.run(isOver));
  const addresses: Hva[] = [];
  let mm: Mm | null = null;
  run(
    (function* () {
      mm = (yield* host.createMm())!;
      for (let i = 0; i < VMAS; i++) {
        // Pages 0 and 2 do not merge, nor does either with itself.
        const offset = i < mappings ? 0 : 2;
        const address = yield* mmap(mm, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
        addresses.push(address as Hva);
      }
      return 0;
    })(),
  );
  const spent = Array.from({ length: repeats + 1 }, () => {
    run(touchAll(mm!, addresses));
    return run(filePunchHole(file, 0, PAGE_SIZE));
  });
  return median(spent.slice(1));
}

function* touchAll(mm: Mm, addresses: readonly Hva[]): Steps<number> {
  for (const address of addresses) {
    const signal = yield* userStore8(mm, 0, address, 1);
    if (signal !== 0) throw new Error(signal);
  }
  return 0;
}
