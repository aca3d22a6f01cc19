# What stands under each program of the benchmark: from reset to S mode under Sv39, and from its result to the exit.
#
# Runs on the board that is laid out as QEMU's `virt`, here and there. Memory is mapped as it is by four gigapages, with A
# and D set, so that no page fault ever occurs. Calls bench(rounds, bytes), prints what it returns in hexadecimal on
# the UART, and leaves by the test finisher. The two words before `bench_arguments` are written by whoever puts a program
# together (programs.ts).

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      sp, stack_end
    li      t0, -1                      # PMP: everything is permitted to S mode
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    la      t0, park
    csrw    mtvec, t0
    la      t0, root
    li      t1, 0xcf                    # V R W X A D, from address 0 on
    li      t2, 0x10000000              # a gigabyte more, as a PPN in its place
    li      t3, 4
1:  sd      t1, 0(t0)
    add     t1, t1, t2
    addi    t0, t0, 8
    addi    t3, t3, -1
    bnez    t3, 1b
    la      t0, root
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    csrw    satp, t0
    sfence.vma
    li      t0, 3 << 11                 # MPP = S
    csrc    mstatus, t0
    li      t0, 1 << 11
    csrs    mstatus, t0
    la      t0, supervisor
    csrw    mepc, t0
    mret

supervisor:
    la      t0, bench_arguments
    ld      a0, 0(t0)
    ld      a1, 8(t0)
    call    bench
    li      t0, 0x10000000              # UART
    li      t1, 64
print:
    addi    t1, t1, -4
    srl     t2, a0, t1
    andi    t2, t2, 15
    li      t3, 10
    addi    t4, t2, '0'
    blt     t2, t3, 2f
    addi    t4, t2, 'a' - 10
2:  sb      t4, 0(t0)
    bnez    t1, print
    li      t2, '\n'
    sb      t2, 0(t0)
    li      t0, 0x100000                # test finisher
    li      t1, 0x5555
    sw      t1, 0(t0)
park:
    wfi
    j       park

    .bss
    .balign 4096
root:
    .zero   4096
    .balign 16
    .zero   65536
stack_end:
