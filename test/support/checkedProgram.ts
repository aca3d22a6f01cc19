// Programs that check themselves, operation by operation: each names a routine, its operands, the mstatus bits to run it
// under, and what must come of it. A program ends with 0, or with the number of its first wrong operation, from 1.
//
// The harness runs in M mode. Loads and stores are made as the mstatus bits say (MPRV and MPP); `fetch` returns to its
// address by mret, and comes back by the trap that the code there takes.

export const MSTATUS_MPRV = 1 << 17;
export const MSTATUS_SUM = 1 << 18;
export const MSTATUS_MXR = 1 << 19;
export const MSTATUS_MPP = { M: 3 << 11, S: 1 << 11, U: 0 } as const;

export type Routine =
  | 'lb'
  | 'lh'
  | 'lw'
  | 'ld'
  | 'sb'
  | 'sh'
  | 'sw'
  | 'sd'
  /** amoadd.d and amoswap.w */
  | 'amoadd'
  | 'amoswap'
  /** lr.d and sc.d of `a2`, until it succeeds. */
  | 'lrsc'
  | 'fetch'
  /** Stores halfword `a2` from FILL_START up to `a1`. */
  | 'fill'
  | 'satp'
  | 'menvcfg'
  | 'pmpaddr0'
  | 'pmpaddr1'
  | 'pmpaddr2'
  | 'pmpcfg0'
  /** sfence.vma: of all, of the page of `a1`, of ASID `a2`, of both. */
  | 'fence'
  | 'fence_page'
  | 'fence_asid'
  | 'fence_page_asid';

/** What must come of an operation. */
export interface Outcome {
  /** mcause, or NO_TRAP. */
  readonly cause: bigint;
  readonly tval: bigint;
  /** What was loaded; 0 where nothing is. When a fetch trapped: mepc. */
  readonly result: bigint;
}

export interface Operation extends Outcome {
  readonly routine: Routine;
  /** The address, of what has one. */
  readonly a1: bigint;
  readonly a2: bigint;
  readonly mstatus: number;
}

export const NO_TRAP = -1n;
export const DONE: Outcome = { cause: NO_TRAP, tval: 0n, result: 0n };

export interface CheckedProgram {
  /** Assembly, for test/vmm/guest.ts. */
  readonly source: string;
  /** What each operation is, by number, for messages. */
  readonly operations: readonly string[];
}

/** The harness; the table follows it. */
const HARNESS = `
    la      t0, handler
    csrw    mtvec, t0
    la      s0, table
    la      s1, table_end
    li      s2, 0
next:
    addi    s2, s2, 1
    ld      t0, 0(s0)
    ld      a1, 8(s0)
    ld      a2, 16(s0)
    ld      a3, 24(s0)
    la      s7, done
    li      a0, 0
    li      s4, -1
    li      s5, 0
    li      s6, 0
    csrs    mstatus, a3
    jalr    ra, t0
done:
    li      t1, 0xe1800
    csrc    mstatus, t1
    ld      t0, 32(s0)
    bne     s4, t0, wrong
    ld      t0, 40(s0)
    bne     s5, t0, wrong
    ld      t0, 48(s0)
    bgez    s4, trapped
    bne     a0, t0, wrong
    j       right
trapped:
    beqz    t0, right
    bne     s6, t0, wrong
right:
    addi    s0, s0, 56
    bltu    s0, s1, next
    finish_with 0
wrong:
    mv      a0, s2
    finish
    .balign 4
handler:
    csrr    s4, mcause
    csrr    s5, mtval
    csrr    s6, mepc
    jr      s7
lb:      lb      a0, 0(a1)
    ret
lh:      lh      a0, 0(a1)
    ret
lw:      lw      a0, 0(a1)
    ret
ld:      ld      a0, 0(a1)
    ret
sb:      sb      a2, 0(a1)
    ret
sh:      sh      a2, 0(a1)
    ret
sw:      sw      a2, 0(a1)
    ret
sd:      sd      a2, 0(a1)
    ret
amoadd:  amoadd.d a0, a2, (a1)
    ret
amoswap: amoswap.w a0, a2, (a1)
    ret
lrsc:    lr.d    a0, (a1)
    sc.d    t0, a2, (a1)
    bnez    t0, lrsc
    ret
fetch:   csrw    mepc, a1
    mret
fill:    li      t0, FILL_START
1:  sh      a2, 0(t0)
    addi    t0, t0, 2
    bltu    t0, a1, 1b
    ret
satp:    csrw    satp, a2
    ret
menvcfg: csrw    menvcfg, a2
    ret
pmpaddr0: csrw   pmpaddr0, a2
    ret
pmpaddr1: csrw   pmpaddr1, a2
    ret
pmpaddr2: csrw   pmpaddr2, a2
    ret
pmpcfg0: csrw    pmpcfg0, a2
    ret
fence:          sfence.vma
    ret
fence_page:     sfence.vma a1
    ret
fence_asid:     sfence.vma x0, a2
    ret
fence_page_asid: sfence.vma a1, a2
    ret
    .data
    .balign 8
table:
`;

/** The program; `fillStart` is where `fill` begins. */
export function checkedProgram(operations: readonly Operation[], fillStart = 0n): CheckedProgram {
  const rows = operations.map(({ routine, a1, a2, mstatus, cause, tval, result }) => {
    const cells = [BigInt.asUintN(64, a1), BigInt.asUintN(64, a2), BigInt(mstatus), cause, tval, result];
    return { routine, cells };
  });
  const table = rows.map(({ routine, cells }) => `    .dword ${routine}, ${cells.join(', ')}`);
  return {
    source: `    .equ    FILL_START, ${fillStart}\n${HARNESS}${table.join('\n')}\ntable_end:\n`,
    operations: rows.map(({ routine, cells }) =>
      [routine, ...cells.map((cell) => cell.toString(16))].join(' '),
    ),
  };
}
