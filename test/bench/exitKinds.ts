// Guests that do one thing over and over: what makes a hart leave translated code, or leave the guest, each kind by
// itself.
//
// exits.ts runs and times them. All stand on one runtime: S mode under Sv39 (gigapages, A and D set), a U alias of RAM at
// USER, and one page at WINDOW behind a leaf table of its own.

export interface ExitKind {
  readonly name: string;
  /** Body of the loop, in S mode; s0 counts down, s1 to s7 keep what `before` gave them. */
  readonly body: string;
  /** Once, before the loop. */
  readonly before?: string;
  /** The loop runs in U mode: what it does traps to a handler that steps over one instruction. */
  readonly user?: boolean;
  /** Times round the loop. */
  readonly count: number;
  readonly ramMegabytes?: number;
}

export const EXIT_KINDS: readonly ExitKind[] = [
  { name: 'ecall and back', body: 'li a7, 0\n ecall', user: true, count: 1_000_000 },
  {
    name: 'page fault into the guest',
    body: 'ld t0, 0(s1)',
    before: 'li s1, 0x40',
    user: true,
    count: 200_000,
  },
  { name: 'CSR (sscratch)', body: 'csrrw t0, sscratch, t0', count: 2_000_000 },
  {
    name: 'CSR (sstatus.SUM set, cleared)',
    body: 'csrs sstatus, s1\n csrc sstatus, s1',
    before: 'li s1, 1 << 18',
    count: 500_000,
  },
  { name: 'time', body: 'csrr t0, time', count: 1_000_000 },
  { name: 'satp, same root', body: 'csrw satp, s1', before: 'csrr s1, satp', count: 500_000 },
  {
    name: 'satp, two address spaces',
    body: 'csrw satp, s1\n csrw satp, s2',
    before: 'csrr s1, satp\n li s2, 1 << 44\n or s2, s2, s1',
    count: 200_000,
  },
  { name: 'sfence.vma', body: 'sfence.vma', count: 100_000 },
  { name: 'sfence.vma of a page', body: 'sfence.vma s1, x0', before: 'li s1, WINDOW', count: 200_000 },
  {
    name: 'remap a page, fence it, touch it',
    body: 'xor s2, s2, s3\n sd s2, 0(s4)\n sfence.vma s1, x0\n ld t0, 0(s1)',
    before: 'li s1, WINDOW\n la s4, leaf\n ld s2, 0(s4)\n li s3, 1 << 10',
    count: 50_000,
  },
  { name: 'MMIO (UART)', body: 'lbu t0, 5(s1)', before: 'li s1, 0x10000000', count: 100_000 },
  {
    name: 'first touch of a page (the host faults, too)',
    body: 'sd s1, 0(s1)\n add s1, s1, s2',
    before: 'li s1, 0x81000000\n li s2, 4096',
    count: 8192,
    ramMegabytes: 64,
  },
];

/** The loop that does nothing. */
export const EMPTY: ExitKind = { name: 'nothing', body: '', count: 2_000_000 };

/** The guest that does it `count` times. */
export function exitGuest({ body, before = '', user = false }: ExitKind, count: number): string {
  const loop = `${before}\n li s0, ${count}\n1: ${body}\n addi s0, s0, -1\n bnez s0, 1b\n`;
  const inUser = `la t0, user_loop\n li t1, USER - RAM\n add t0, t0, t1\n csrw sepc, t0\n li t0, 1 << 8\n csrc sstatus, t0\n sret\n`;
  return `${RUNTIME}supervisor:\n la t0, handler\n csrw stvec, t0\n${user ? inUser : `${loop} j pass\n`}
user_loop:\n${user ? loop : ''} li a7, 1\n ecall\n${TABLES}`;
}

const RUNTIME = `
    .equ RAM, 0x80000000
    .equ USER, 0x100000000
    .equ WINDOW, 0x140000000
    .option norelax
    .text
    .globl _start
_start:
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    li      t0, -1
    csrw    mcounteren, t0
    csrw    scounteren, t0
    li      t0, 0xb1ff
    csrw    medeleg, t0
    la      t0, root
    li      t1, 0xcf
    li      t2, 0x10000000
    sd      t1, 0(t0)
    slli    t3, t2, 1
    or      t3, t3, t1
    sd      t3, 16(t0)
    ori     t3, t3, 16
    sd      t3, 32(t0)
    la      t1, middle
    srli    t1, t1, 2
    ori     t1, t1, 1
    sd      t1, 40(t0)
    la      t2, leaf
    srli    t2, t2, 2
    ori     t2, t2, 1
    la      t1, middle
    sd      t2, 0(t1)
    la      t1, pages
    srli    t1, t1, 2
    ori     t1, t1, 0xcf
    la      t2, leaf
    sd      t1, 0(t2)
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    csrw    satp, t0
    sfence.vma
    li      t0, 3 << 11
    csrc    mstatus, t0
    li      t0, 1 << 11
    csrs    mstatus, t0
    la      t0, supervisor
    csrw    mepc, t0
    mret
    .balign 4
handler:
    csrr    t5, scause
    addi    t5, t5, -8
    bnez    t5, 1f
    bnez    a7, pass
1:  csrr    t5, sepc
    addi    t5, t5, 4
    csrw    sepc, t5
    sret
pass:
    li      t0, 0x100000
    li      t1, 0x5555
    sw      t1, 0(t0)
2:  j       2b
    .option norvc
`;

const TABLES = `
    .bss
    .balign 8192
pages: .space 8192
root: .space 4096
middle: .space 4096
leaf: .space 4096
`;
