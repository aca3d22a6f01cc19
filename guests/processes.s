# purpose: a small time-sharing kernel: U-mode processes that fork, copy on write, fault pages in and remap them all the time
# ram: 3M
# host-ram: 512K
# vcpus: 1
# expect: exit 0
# output: "48 processes\n"
# insns: about 15.8 million, waiting not counted
#
# What an operating system does to an MMU, in a loop. The first process forks CHILDREN others, a ROUND after another, and
# waits for them; a timer takes the CPU from whoever has it, so that they run in turns, each under its own tables and
# ASID. Every child fills its heap, whose pages it gets as it first touches them; swaps pairs of its pages by system
# calls; drops a page and finds zeros; writes to memory that it shares with its parent since the fork, so that it gets
# copies; and adds everything up. What it answers is compared with what its parent reckons without memory.
#
# Memory: kernel at 0x80000000 (gigapages: devices at 0, RAM where it is, global), a pool of pages behind it. A process has
# its text, one page of stack, DATA (shared by fork) and HEAP; two leaf tables. RSW bit 8 marks a page to be copied.
#
# Checks itself. Fail codes: 1 a child answered another sum, 2 the parent's memory changed, 3 what a child swapped, dropped
# or copied was wrong, 4 a fault that nothing explains, 5 out of pages, 6 nobody can run, 7 pages were lost, 8 a trap in
# the kernel. Runs unchanged under `qemu-system-riscv64 -M virt -bios none -nographic -kernel`.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ ROUNDS, 8
    .equ CHILDREN, 6
    .equ DATA_PAGES, 32
    .equ HEAP_PAGES, 32
    .equ SWAPS, 64                      # system calls that remap, of each child
    .equ SLICE, 200                     # of the timer, in ticks of 100 ns

    .equ UART, 0x10000000
    .equ FINISHER, 0x100000
    .equ POOL_PAGES, 448

    .equ TEXT, 0x40000000
    .equ STACK, 0x40010000
    .equ DATA, 0x40200000
    .equ HEAP, 0x40280000
    .equ SCRATCH, 0x402c0000            # the page behind the heap

    .equ PTE_V, 1
    .equ PTE_R, 2
    .equ PTE_W, 4
    .equ PTE_X, 8
    .equ PTE_U, 16
    .equ PTE_G, 32
    .equ PTE_A, 64
    .equ PTE_D, 128
    .equ PTE_COW, 256
    .equ USER_RW, PTE_V | PTE_R | PTE_W | PTE_U | PTE_A | PTE_D

    .equ SYS_EXIT, 0
    .equ SYS_FORK, 1
    .equ SYS_WAIT, 2
    .equ SYS_SWAP, 3
    .equ SYS_DROP, 4

    # A process: x1..x31 at 8 * n, its pc in the place of x0.
    .equ P_SATP, 256
    .equ P_STATE, 264
    .equ P_SUM, 272
    .equ P_ROOT, 280
    .equ P_BYTES, 512
    .equ FREE, 0
    .equ RUNNABLE, 1
    .equ WAITING, 2
    .equ ZOMBIE, 3

    .macro each_register operation
    .irp n, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \operation x\n, (8 * \n)(tp)
    .endr
    .endm

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      t0, machine_trap
    csrw    mtvec, t0
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 0x1f                    # NAPOT, RWX: all memory
    csrw    pmpcfg0, t0
    li      t0, -1
    csrw    mcounteren, t0
    slli    t0, t0, 63                  # STCE: stimecmp
    csrw    menvcfg, t0
    li      t0, 0xb1ff                  # everything that U and S can do wrong
    csrw    medeleg, t0
    li      t0, 0x222
    csrw    mideleg, t0
    la      t0, kernel
    csrw    mepc, t0
    li      t0, 3 << 11
    csrc    mstatus, t0
    li      t0, 1 << 11
    csrs    mstatus, t0
    mret

    .balign 4
kernel_trap:
machine_trap:
    li      a0, 8
    j       fail
park:
    wfi
    j       park

# The kernel, in S mode. tp: the current process. Nothing interrupts it.

kernel:
    la      t0, trap
    csrw    stvec, t0
    la      sp, kernel_stack_end
    # The pool, as a list.
    la      t0, pool
    li      t1, POOL_PAGES
    li      t2, 0
    li      t3, 4096
1:  sd      t2, 0(t0)
    mv      t2, t0
    add     t0, t0, t3
    addi    t1, t1, -1
    bnez    t1, 1b
    la      t0, free_list
    sd      t2, 0(t0)
    la      t0, free_pages
    li      t1, POOL_PAGES
    sd      t1, 0(t0)
    # Tables of the kernel alone, which every process has a copy of.
    la      t0, kernel_root
    li      t1, PTE_V | PTE_R | PTE_W | PTE_G | PTE_A | PTE_D
    sd      t1, 0(t0)
    li      t1, (0x80000000 >> 2) | PTE_V | PTE_R | PTE_W | PTE_X | PTE_G | PTE_A | PTE_D
    sd      t1, 16(t0)
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    la      t1, kernel_satp
    sd      t0, 0(t1)
    sfence.vma
    csrw    satp, t0
    # The first process.
    la      tp, processes
    mv      a0, tp
    call    new_space
    ld      s0, P_ROOT(tp)
    la      s1, user_text
    li      s2, TEXT
2:  mv      a0, s2
    mv      a1, s0
    call    walk
    srli    t0, s1, 2
    ori     t0, t0, PTE_V | PTE_R | PTE_X | PTE_U | PTE_A
    sd      t0, 0(a0)
    li      t0, 4096
    add     s1, s1, t0
    add     s2, s2, t0
    la      t0, user_text_end
    bltu    s1, t0, 2b
    li      t0, TEXT
    sd      t0, 0(tp)
    li      t0, RUNNABLE
    sd      t0, P_STATE(tp)
    ld      t0, P_SATP(tp)
    csrw    satp, t0
    li      t0, 0x120                   # SPP, SPIE
    csrc    sstatus, t0
    li      t0, 1 << 5
    csrw    sie, t0
    call    arm_timer
    j       to_user

    .balign 4
trap:
    csrrw   tp, sscratch, tp
    each_register sd
    csrr    t0, sscratch
    sd      t0, 32(tp)
    csrr    t0, sepc
    sd      t0, 0(tp)
    la      sp, kernel_stack_end
    csrr    t0, sstatus
    andi    t0, t0, 0x100
    bnez    t0, kernel_trap
    csrr    t0, scause
    bltz    t0, pre_empt
    li      t1, 8
    bne     t0, t1, page_fault
    # A system call.
    li      t0, SYS_FORK
    beq     a7, t0, sys_fork
    li      t0, SYS_WAIT
    beq     a7, t0, sys_wait
    li      t0, SYS_SWAP
    beq     a7, t0, sys_swap
    li      t0, SYS_DROP
    beq     a7, t0, sys_drop
    j       sys_exit

call_done:
    ld      t0, 0(tp)
    addi    t0, t0, 4
    sd      t0, 0(tp)
to_user:
    csrw    sscratch, tp
    ld      t0, 0(tp)
    csrw    sepc, t0
    each_register ld
    ld      tp, 32(tp)
    sret

pre_empt:
    call    arm_timer
schedule:                               # the next that can run, the present one last
    la      t1, processes
    la      t2, processes_end
    mv      t0, tp
1:  addi    t0, t0, P_BYTES
    bltu    t0, t2, 2f
    mv      t0, t1
2:  ld      t3, P_STATE(t0)
    addi    t3, t3, -RUNNABLE
    beqz    t3, 3f
    bne     t0, tp, 1b
    li      a0, 6
    j       fail
3:  mv      tp, t0
    ld      t0, P_SATP(tp)
    csrw    satp, t0
    j       to_user

arm_timer:
    csrr    t0, time
    addi    t0, t0, SLICE
    csrw    stimecmp, t0
    ret

# A page that is missing, or must be copied.
page_fault:
    mv      s2, t0
    li      a0, 4
    li      t1, 13
    beq     t0, t1, 1f
    li      t1, 15
    bne     t0, t1, fail
1:  csrr    s0, stval
    li      t0, STACK
    bltu    s0, t0, fail
    li      t0, SCRATCH + 4096
    bgeu    s0, t0, fail
    mv      a0, s0
    ld      a1, P_ROOT(tp)
    call    walk
    mv      s1, a0
    ld      s3, 0(s1)
    beqz    s3, 3f
    li      a0, 4
    andi    t0, s3, PTE_COW
    beqz    t0, fail
    # The last one that has it keeps it; all others get a copy.
    srli    s4, s3, 10
    slli    s4, s4, 12
    mv      a0, s4
    call    count_of
    lhu     t0, 0(a0)
    li      t1, 1
    beq     t0, t1, 2f
    addi    t0, t0, -1
    sh      t0, 0(a0)
    call    new_page
    mv      s3, a0
    mv      a1, s4
    call    copy_page
    srli    s3, s3, 2
2:  andi    s3, s3, ~(PTE_COW | 0xff)
    ori     s3, s3, USER_RW
    sd      s3, 0(s1)
    sfence.vma s0, x0
    j       to_user
3:  call    new_page
    mv      s3, a0
    call    zero_page
    srli    s3, s3, 2
    ori     s3, s3, USER_RW
    sd      s3, 0(s1)
    sfence.vma s0, x0
    j       to_user

# System calls.

sys_exit:
    bnez    a1, sys_fail
    la      t0, processes
    beq     tp, t0, finished
    sd      a0, P_SUM(tp)
    la      t0, kernel_satp
    ld      t0, 0(t0)
    csrw    satp, t0
    call    free_space
    li      t0, ZOMBIE
    sd      t0, P_STATE(tp)
    la      t0, processes               # everybody's parent
    ld      t1, P_STATE(t0)
    addi    t1, t1, -WAITING
    bnez    t1, schedule
    li      t1, RUNNABLE
    sd      t1, P_STATE(t0)
    j       schedule

sys_fail:                               # exit(_, code)
    mv      a0, a1
    j       fail

# fork(): 0 to the child.
sys_fork:
    la      s0, processes
    la      t1, processes_end
1:  addi    s0, s0, P_BYTES
    li      a0, 6
    bgeu    s0, t1, fail
    ld      t0, P_STATE(s0)
    bnez    t0, 1b
    mv      a0, s0
    call    new_space
    ld      s1, P_ROOT(s0)
    ld      s2, P_ROOT(tp)
    ld      t0, 8(s2)                   # the tables of 0x40000000
    srli    t0, t0, 10
    slli    s2, t0, 12
    li      s3, TEXT
    li      s8, 2
2:  ld      t0, 0(s2)                   # a leaf table of the parent
    beqz    t0, 5f
    srli    t0, t0, 10
    slli    s4, t0, 12
    mv      a0, s3
    mv      a1, s1
    call    walk
    mv      s5, a0                      # and of the child
    li      s6, 512
3:  ld      s7, 0(s4)
    beqz    s7, 4f
    andi    t0, s7, PTE_W
    beqz    t0, 6f
    andi    s7, s7, ~PTE_W
    ori     s7, s7, PTE_COW
    sd      s7, 0(s4)
6:  sd      s7, 0(s5)
    srli    t0, s7, 10
    slli    a0, t0, 12
    call    count_of
    lhu     t0, 0(a0)
    addi    t0, t0, 1
    sh      t0, 0(a0)
4:  addi    s4, s4, 8
    addi    s5, s5, 8
    addi    s6, s6, -1
    bnez    s6, 3b
5:  addi    s2, s2, 8
    li      t0, 1 << 21
    add     s3, s3, t0
    addi    s8, s8, -1
    bnez    s8, 2b
    ld      t0, P_SATP(tp)              # the parent may not write any more
    slli    t0, t0, 4
    srli    t0, t0, 48
    sfence.vma x0, t0
    mv      t0, tp
    mv      t1, s0
    li      t2, 32
7:  ld      t3, 0(t0)
    sd      t3, 0(t1)
    addi    t0, t0, 8
    addi    t1, t1, 8
    addi    t2, t2, -1
    bnez    t2, 7b
    ld      t0, 0(s0)
    addi    t0, t0, 4
    sd      t0, 0(s0)
    sd      zero, 80(s0)                # a0
    li      t0, RUNNABLE
    sd      t0, P_STATE(s0)
    li      t0, 1
    sd      t0, 80(tp)
    j       call_done

# wait(): the sum of a child that is done; again and again until there is one. a1: which register s1 had.
sys_wait:
    la      t0, processes
    la      t1, processes_end
    li      t3, ZOMBIE
1:  addi    t0, t0, P_BYTES
    bgeu    t0, t1, 2f
    ld      t2, P_STATE(t0)
    bne     t2, t3, 1b
    sd      zero, P_STATE(t0)
    ld      t2, P_SUM(t0)
    sd      t2, 80(tp)
    ld      t2, 72(t0)                  # s1
    sd      t2, 88(tp)
    j       call_done
2:  li      t0, WAITING
    sd      t0, P_STATE(tp)
    j       schedule

# swap(a, b): the pages at two addresses change places.
sys_swap:
    mv      s0, a0
    mv      s1, a1
    ld      a1, P_ROOT(tp)
    call    walk
    mv      s2, a0
    mv      a0, s1
    ld      a1, P_ROOT(tp)
    call    walk
    ld      t0, 0(s2)
    ld      t1, 0(a0)
    sd      t1, 0(s2)
    sd      t0, 0(a0)
    sfence.vma s0, x0
    sfence.vma s1, x0
    j       call_done

# drop(a): the page is given back.
sys_drop:
    mv      s0, a0
    ld      a1, P_ROOT(tp)
    call    walk
    ld      t0, 0(a0)
    sd      zero, 0(a0)
    sfence.vma s0, x0
    srli    t0, t0, 10
    slli    a0, t0, 12
    call    put_page
    j       call_done

# Address spaces. Functions may change t0..t6 and a0..a7, and s9..s11 where they say so.

# a0: a process. Tables of its own for it, with the kernel in them; its ASID is the number of its place.
new_space:
    addi    sp, sp, -16
    sd      ra, 0(sp)
    mv      s9, a0
    call    new_page
    sd      a0, P_ROOT(s9)
    mv      s10, a0
    call    zero_page
    la      t0, kernel_root
    ld      t1, 0(t0)
    sd      t1, 0(s10)
    ld      t1, 16(t0)
    sd      t1, 16(s10)
    srli    t0, s10, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    la      t1, processes
    sub     t1, s9, t1
    srli    t1, t1, 9
    addi    t1, t1, 1
    sfence.vma x0, t1
    slli    t1, t1, 44
    or      t0, t0, t1
    sd      t0, P_SATP(s9)
    ld      ra, 0(sp)
    addi    sp, sp, 16
    ret

# tp's tables and pages go. Changes s0..s6.
free_space:
    addi    sp, sp, -16
    sd      ra, 0(sp)
    ld      s0, P_ROOT(tp)
    ld      t0, 8(s0)
    srli    t0, t0, 10
    slli    s1, t0, 12
    mv      s2, s1
    li      s3, 2
1:  ld      t0, 0(s2)
    beqz    t0, 4f
    srli    t0, t0, 10
    slli    s4, t0, 12
    mv      s5, s4
    li      s6, 512
2:  ld      t0, 0(s5)
    beqz    t0, 3f
    srli    t0, t0, 10
    slli    a0, t0, 12
    call    put_page
3:  addi    s5, s5, 8
    addi    s6, s6, -1
    bnez    s6, 2b
    mv      a0, s4
    call    put_page
4:  addi    s2, s2, 8
    addi    s3, s3, -1
    bnez    s3, 1b
    mv      a0, s1
    call    put_page
    mv      a0, s0
    call    put_page
    ld      ra, 0(sp)
    addi    sp, sp, 16
    ret

# a0: address, a1: root. a0: its entry, with the tables above it, made if need be. Changes s9..s11.
walk:
    addi    sp, sp, -16
    sd      ra, 0(sp)
    mv      s9, a0
    mv      s10, a1
    li      s11, 30
1:  srl     t0, s9, s11
    andi    t0, t0, 511
    slli    t0, t0, 3
    add     s10, s10, t0
    addi    s11, s11, -9
    li      t1, 3
    beq     s11, t1, 3f
    ld      t0, 0(s10)
    bnez    t0, 2f
    call    new_page
    call    zero_page
    srli    t0, a0, 2
    ori     t0, t0, PTE_V
    sd      t0, 0(s10)
2:  srli    t0, t0, 10
    slli    s10, t0, 12
    j       1b
3:  mv      a0, s10
    ld      ra, 0(sp)
    addi    sp, sp, 16
    ret

# Pages, and how many have each.

# a0: a page. a0: where its count is; pages outside the pool share one that nobody reads.
count_of:
    la      t0, pool
    bltu    a0, t0, 1f
    sub     a0, a0, t0
    srli    a0, a0, 11
    la      t0, counts
    add     a0, a0, t0
    ret
1:  la      a0, no_count
    ret

# a0: a page.
new_page:
    la      t0, free_list
    ld      t1, 0(t0)
    li      a0, 5
    beqz    t1, fail
    ld      t2, 0(t1)
    sd      t2, 0(t0)
    la      t0, free_pages
    ld      t2, 0(t0)
    addi    t2, t2, -1
    sd      t2, 0(t0)
    la      t0, pool
    sub     t0, t1, t0
    srli    t0, t0, 11
    la      t2, counts
    add     t0, t0, t2
    li      t2, 1
    sh      t2, 0(t0)
    mv      a0, t1
    ret

# a0: a page that one fewer has from now on.
put_page:
    la      t0, pool
    bltu    a0, t0, 1f
    sub     t0, a0, t0
    srli    t0, t0, 11
    la      t1, counts
    add     t0, t0, t1
    lhu     t1, 0(t0)
    addi    t1, t1, -1
    sh      t1, 0(t0)
    bnez    t1, 1f
    la      t0, free_list
    ld      t1, 0(t0)
    sd      t1, 0(a0)
    sd      a0, 0(t0)
    la      t0, free_pages
    ld      t1, 0(t0)
    addi    t1, t1, 1
    sd      t1, 0(t0)
1:  ret

# a0: a page, and still after it.
zero_page:
    mv      t0, a0
    li      t1, 64
1:
    .irp    n, 0, 8, 16, 24, 32, 40, 48, 56
    sd      zero, \n(t0)
    .endr
    addi    t0, t0, 64
    addi    t1, t1, -1
    bnez    t1, 1b
    ret

# a0: where to, a1: where from.
copy_page:
    li      t1, 128
1:
    .irp    n, 0, 8, 16, 24
    ld      t0, \n(a1)
    sd      t0, \n(a0)
    .endr
    addi    a0, a0, 32
    addi    a1, a1, 32
    addi    t1, t1, -1
    bnez    t1, 1b
    ret

# The end.

finished:
    la      t0, kernel_satp
    ld      t0, 0(t0)
    csrw    satp, t0
    call    free_space
    la      t0, free_pages
    ld      t0, 0(t0)
    li      t1, POOL_PAGES
    li      a0, 7
    bne     t0, t1, fail
    # How many there were, in decimal.
    li      a0, ROUNDS * CHILDREN
    la      a1, message
    li      t0, 10
1:  addi    a1, a1, -1
    remu    t1, a0, t0
    divu    a0, a0, t0
    addi    t1, t1, '0'
    sb      t1, 0(a1)
    bnez    a0, 1b
    li      t1, UART
2:  lbu     t0, 0(a1)
    beqz    t0, 4f
3:  lbu     t2, 5(t1)
    andi    t2, t2, 0x20
    beqz    t2, 3b
    sb      t0, 0(t1)
    addi    a1, a1, 1
    j       2b
4:  li      t1, 0x5555
    j       finish
fail:                                   # a0: the code; not 0
    slli    t1, a0, 16
    li      t0, 0x3333
    or      t1, t1, t0
finish:
    li      t0, FINISHER
    sw      t1, 0(t0)
5:  j       5b

# What runs in U mode: one text, which is read where it lies in every process. s0: the round, s1: the child's number,
# s2, s3: multiplier and increment of a generator.

    .equ MULTIPLIER, 6364136223846793005
    .equ INCREMENT, 1442695040888963407
    .equ GOLDEN, 0x9e3779b97f4a7c15

    .macro system number
    li      a7, \number
    ecall
    .endm

    .balign 4096
user_text:
    li      sp, STACK + 4096
    li      s2, MULTIPLIER
    li      s3, INCREMENT
    li      s0, 0
    # DATA: each word its address by GOLDEN.
    li      t0, DATA
    li      t1, DATA + DATA_PAGES * 4096
    li      t2, GOLDEN
1:  mul     t3, t0, t2
    sd      t3, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b

next_round:
    li      s4, CHILDREN
    li      t0, CHILDREN
    mul     s1, s0, t0
2:  addi    s1, s1, 1
    system  SYS_FORK
    beqz    a0, child
    addi    s4, s4, -1
    bnez    s4, 2b

    li      s4, CHILDREN
3:  system  SYS_WAIT
    mv      s5, a0
    mv      a0, a1
    jal     expected_sum
    li      a1, 1
    bne     a0, s5, exit_failed
    addi    s4, s4, -1
    bnez    s4, 3b

    # What the children wrote is not here.
    li      t0, DATA
    li      t1, DATA + DATA_PAGES * 4096
    li      t2, GOLDEN
    li      a1, 2
4:  mul     t3, t0, t2
    ld      t4, 0(t0)
    bne     t3, t4, exit_failed
    addi    t0, t0, 8
    bltu    t0, t1, 4b
    addi    s0, s0, 1
    li      t0, ROUNDS
    bne     s0, t0, next_round
    li      a0, 0
    li      a1, 0
    j       exit

exit_failed:
    li      a0, 0
exit:
    system  SYS_EXIT

# a0: a child's number. a0: what it must answer.
expected_sum:
    li      t2, HEAP_PAGES * 512
    li      t1, 0
1:  mul     a0, a0, s2
    add     a0, a0, s3
    add     t1, t1, a0
    addi    t2, t2, -1
    bnez    t2, 1b
    mv      a0, t1
    ret

child:
    mv      s5, s1                      # the generator
    # The heap, page by page.
    li      t0, HEAP
    li      t1, HEAP + HEAP_PAGES * 4096
1:  mul     s5, s5, s2
    add     s5, s5, s3
    sd      s5, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b

    # Pairs of pages change places.
    li      s6, 0
2:  andi    a0, s6, HEAP_PAGES - 1
    slli    a1, s6, 2
    add     a1, a1, s6
    addi    a1, a1, 7
    add     a1, a1, s1
    andi    a1, a1, HEAP_PAGES - 1
    slli    a0, a0, 12
    slli    a1, a1, 12
    li      t0, HEAP
    add     s7, a0, t0
    add     s8, a1, t0
    ld      s9, 8(s7)
    ld      s10, 8(s8)
    mv      a0, s7
    mv      a1, s8
    system  SYS_SWAP
    li      a1, 3
    ld      t0, 8(s7)
    ld      t1, 8(s8)
    bne     t0, s10, exit_failed
    bne     t1, s9, exit_failed
    addi    s6, s6, 1
    # Each eighth time a page is dropped; it comes back empty.
    andi    t0, s6, 7
    bnez    t0, 3f
    li      s7, SCRATCH
    sd      s1, 16(s7)
    mv      a0, s7
    system  SYS_DROP
    li      a1, 3
    ld      t0, 16(s7)
    bnez    t0, exit_failed
3:  li      t0, SWAPS
    bne     s6, t0, 2b

    # A word of each fourth page that the parent has, too.
    li      s6, 0
4:  jal     shared_word
    sd      s5, 0(a0)
    addi    s6, s6, 4
    li      t0, DATA_PAGES
    bltu    s6, t0, 4b

    li      a2, HEAP
    li      a3, HEAP + HEAP_PAGES * 4096
    li      a4, 0
5:  ld      t0, 0(a2)
    add     a4, a4, t0
    addi    a2, a2, 8
    bltu    a2, a3, 5b

    li      s6, 0
    li      a1, 3
6:  jal     shared_word
    ld      t0, 0(a0)
    bne     t0, s5, exit_failed
    ld      t0, 8(a0)                   # came with the copy
    addi    t1, a0, 8
    li      t2, GOLDEN
    mul     t1, t1, t2
    bne     t0, t1, exit_failed
    addi    s6, s6, 4
    li      t0, DATA_PAGES
    bltu    s6, t0, 6b
    mv      a0, a4
    li      a1, 0
    j       exit

# a0: the word of page s6 of DATA that this child writes; in the stack on the way.
shared_word:
    addi    sp, sp, -16
    sd      s1, 8(sp)
    slli    a0, s6, 12
    li      t0, DATA
    add     a0, a0, t0
    ld      t0, 8(sp)
    andi    t0, t0, 255
    slli    t0, t0, 4
    add     a0, a0, t0
    addi    sp, sp, 16
    ret
    .balign 4096
user_text_end:

    .data
    .balign 8
    .space  20
message:
    .string " processes\n"

    .bss
    .balign 4096
kernel_root:
    .space  4096
    .space  2048
kernel_stack_end:
kernel_satp:
    .space  8
free_list:
    .space  8
free_pages:
    .space  8
no_count:
    .space  8
counts:
    .space  POOL_PAGES * 2
    .balign 512
processes:
    .space  (CHILDREN + 1) * P_BYTES
processes_end:
    .balign 4096
pool:
    .space  POOL_PAGES * 4096
