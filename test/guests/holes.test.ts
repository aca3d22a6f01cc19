// Memory that the host takes away under a guest: what the guest stored is there, or zeros are, and never anything that
// stood there before. Rows 1, 4, 5, 6, 9 and 19 of the notifier table, with a VM registered and its guest at work.

import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import type { Machine } from '../../src/machine.ts';
import {
  filePunchHole,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_PAGEOUT,
  MAP_FIXED,
  MREMAP_DONTUNMAP,
  MREMAP_MAYMOVE,
  madvise,
  mmapAnonymous,
  mremap,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { MMUS } from './matrix.ts';
import { type GuestProgram, runGuest } from './support.ts';

const MIB = 2 ** 20;
const PAGES = 16;
const REGION = MIB;
const HARTS = 2;
/** Of the host, at a time. */
const PART = 4;
const NO_ZEROS = 3;

/**
 * Each hart stores a new value to each page of its own region, and looks for it a few times; by translation of its own
 * (MPRV). It ends with code 2 when it finds an older value, and with NO_ZEROS when it never found a page that was taken.
 */
const SOURCE = `
    .equ PAGES, ${PAGES}
    .equ ROUNDS, 12000
    .equ LOOKS, 3
    .option norelax
    .text
    .globl _start
_start:
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    la      t0, root
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    csrw    satp, t0
    sfence.vma
    li      t0, 1 << 17 | 1 << 11       # mstatus: MPRV, MPP = S
    csrs    mstatus, t0
    csrr    s0, mhartid
    li      s1, 0x80000000 + ${REGION}
    slli    t0, s0, 16
    add     s1, s1, t0                  # 16 pages for each hart
    li      s2, 0                       # zeros found
    li      s3, 1                       # round
round:
    mv      t0, s1
    li      t1, PAGES
1:  sd      s3, 8(t0)
    li      t2, 4096
    add     t0, t0, t2
    addi    t1, t1, -1
    bnez    t1, 1b
    li      s4, LOOKS
look:
    mv      t0, s1
    li      t1, PAGES
1:  ld      t3, 8(t0)
    beq     t3, s3, 3f
    bnez    t3, stale
    addi    s2, s2, 1
3:  li      t2, 4096
    add     t0, t0, t2
    addi    t1, t1, -1
    bnez    t1, 1b
    addi    s4, s4, -1
    bnez    s4, look
    addi    s3, s3, 1
    li      t0, ROUNDS
    bleu    s3, t0, round
    li      t0, 1 << 17
    csrc    mstatus, t0
    li      a0, 0x5555
    bnez    s2, 1f
    li      a0, ${NO_ZEROS} << 16 | 0x3333
1:  la      t0, ended
    li      t1, 1
    amoadd.w t1, t1, (t0)
    li      t2, ${HARTS} - 1
    bltu    t1, t2, park                # the last one ends the run
    j       finish
stale:
    li      t0, 1 << 17
    csrc    mstatus, t0
    li      a0, 2 << 16 | 0x3333
finish:
    li      t0, 0x100000
    sw      a0, 0(t0)
park:
    wfi
    j       park
    .data
    .balign 4096
root:
    .dword  0, 0, 0x80000000 >> 2 | 0xc7
    .zero   4096 - 24
ended: .word 0
`;

const guest: GuestProgram = {
  name: 'holes',
  header: {
    purpose: 'stores, and looks for what it stored',
    ramBytes: 4 * MIB,
    hostRamBytes: 8 * MIB,
    vcpus: HARTS,
    exitCode: 0,
    output: '',
    instructions: null,
    harts: 'work',
  },
  elf: assemble(SOURCE, { file: 'holes.s' }).elf,
};

type Take = (machine: Machine, start: Hva, bytes: number) => Steps<number>;

const advising = (...advices: readonly number[]): Take =>
  function* ({ vmm }, start, bytes) {
    let error = 0;
    for (const advice of advices) error = error || (yield* madvise(vmm.kvm!.mm, start, bytes, advice));
    return error;
  };

const WAYS: Readonly<Record<string, Take>> = {
  'MADV_DONTNEED (row 4)': advising(MADV_DONTNEED),
  'MADV_FREE, then reclaim (rows 6 and 9)': advising(MADV_FREE, MADV_PAGEOUT),
  'a new mapping in its place (row 1)': function* ({ vmm }, start, bytes) {
    const mapped = yield* mmapAnonymous(vmm.kvm!.mm, start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED);
    return mapped === start ? 0 : mapped;
  },
  'mremap with MREMAP_DONTUNMAP (row 19)': function* ({ vmm }, start, bytes) {
    const { mm } = vmm.kvm!;
    const moved = yield* mremap(mm, start, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    return moved < 0 ? moved : yield* munmap(mm, moved as Hva, bytes);
  },
};

/** Takes parts of both regions away until the guest ends. */
function* takeParts(machine: Machine, take: Take): Steps {
  const { vmm, sched } = machine;
  const pages = PAGES * HARTS;
  for (let round = 0; vmm.stop === null; round++) {
    yield* scheduleTimeout(sched, 3000);
    if (vmm.stop !== null) return;
    const first = (round * 7) % (pages - PART);
    const start = (vmm.ramAddress + REGION + first * PAGE_SIZE) as Hva;
    const error = yield* take(machine, start, PART * PAGE_SIZE);
    // When the guest has ended, so does the process.
    if (vmm.stop === null) expect(error).toBe(0);
  }
}

const runWith = (mmu: (typeof MMUS)[number], take: Take, ramBacking: 'anonymous' | 'shmem' = 'anonymous') =>
  runGuest(guest, {
    mmu,
    ramBacking,
    whenCreated: (machine) => machine.sched.spawn('host', takeParts(machine, take)),
  });

describe.each(MMUS)('under %s a guest finds its values or zeros after', (mmu) => {
  it.each(Object.keys(WAYS))('%s', (way) => {
    const { stop, machine, statistics } = runWith(mmu, WAYS[way]!);
    expect([stop.code, stop.crash, machine.check.violations]).toEqual([0, null, []]);
    expect(statistics.notifier.invalidate_range_start).toBeGreaterThan(50);
  });

  it('a hole in the object that its RAM is (row 5)', () => {
    const punch: Take = ({ vmm }, start, bytes) => filePunchHole(vmm.ramFile!, start - vmm.ramAddress, bytes);
    const { stop, machine } = runWith(mmu, punch, 'shmem');
    expect([stop.code, stop.crash, machine.check.violations]).toEqual([0, null, []]);
  });

  it('nothing, if nothing is taken', () => {
    const nothing: Take = function* () {
      return 0;
    };
    expect(runWith(mmu, nothing).stop.code).toBe(NO_ZEROS);
  });
});
