# purpose: the sieve of Eratosthenes: long runs of byte stores with every stride, and a known answer
# ram: 2560K
# host-ram: 128K
# vcpus: 1
# expect: exit 0
# output: "148933 primes\n"
# insns: about 64 million
#
# Crosses out the multiples of every prime in an array of one byte per number, ROUNDS times over, and counts what is
# left. Small primes sweep the array byte by byte, large ones touch every page for a single byte each: with less host
# memory than array, the same program goes from kind to cruel within one round. The first half of each round dirties
# pages, the count only reads them.
#
# Memory: code at 0x80000000, one page for HTIF, then buffer_start..buffer_end (N bytes, a little padded).
#
# Checks itself: the count must be PRIMES, pi(N) from the tables (code 2). A new N needs a new PRIMES.
# For benchmarks: ROUNDS scales the work (21 million instructions a round); PAGING 1 runs the rounds in S mode under
# Sv39, the first GiB of RAM mapped onto itself by one gigapage.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ N, 2000000
    .equ PRIMES, 148933
    .equ ROUNDS, 3
    .equ PAGING, 0

    .equ HTIF_PUTCHAR, 0x0101           # the upper 16 bits of the command

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      t0, trap
    csrw    mtvec, t0
    li      t0, PAGING
    beqz    t0, main
    call    enter_sv39

main:
    la      s0, buffer_start
    li      s1, N
    add     s1, s1, s0                  # end of the numbers
    li      s2, ROUNDS
round:
    call    clear
    call    cross_out
    call    count
    li      t0, PRIMES
    bne     a0, t0, wrong
    addi    s2, s2, -1
    bnez    s2, round

    call    print_decimal
    la      a0, unit
    call    puts
    li      a0, 0
    j       finish
wrong:
    li      a0, 2
    j       finish

# clear(): every number may still be a prime. The padding of the buffer takes the overshoot.
clear:
    mv      t0, s0
1:  sd      zero, 0(t0)
    sd      zero, 8(t0)
    sd      zero, 16(t0)
    sd      zero, 24(t0)
    addi    t0, t0, 32
    bltu    t0, s1, 1b
    ret

# cross_out(): for each prime p with p * p < N, marks p * p, p * p + p, ...
cross_out:
    li      t0, 2                       # p
    li      t2, 1                       # the mark
1:  mul     t3, t0, t0
    add     t3, t3, s0
    bgeu    t3, s1, 4f
    add     t1, s0, t0
    lbu     t1, 0(t1)
    bnez    t1, 3f
2:  sb      t2, 0(t3)
    add     t3, t3, t0
    bltu    t3, s1, 2b
3:  addi    t0, t0, 1
    j       1b
4:  ret

# count() -> a0 = how many numbers from 2 on are unmarked
count:
    addi    t0, s0, 2
    sub     a0, s1, t0
1:  lbu     t1, 0(t0)
    sub     a0, a0, t1
    addi    t0, t0, 1
    bltu    t0, s1, 1b
    ret

# enter_sv39(): returns to its caller in S mode, behind an identity map. Traps still end in M mode.
enter_sv39:
    la      t0, root
    li      t1, (0x80000000 >> 2) + 0xcf # V R W X A D
    sd      t1, 2 * 8(t0)
    srli    t0, t0, 12
    li      t1, 8 << 60                 # Sv39
    or      t0, t0, t1
    csrw    satp, t0
    sfence.vma
    li      t0, -1
    csrw    pmpaddr0, t0                # S mode may use all of memory
    li      t0, 0x1f                    # NAPOT, R W X
    csrw    pmpcfg0, t0
    li      t0, 0x1800
    csrc    mstatus, t0
    li      t0, 0x0800                  # MPP = S
    csrs    mstatus, t0
    csrw    mepc, ra
    mret

# print_decimal(a0 = number)
print_decimal:
    la      t0, digits_end
    li      t1, 10
1:  remu    t2, a0, t1
    divu    a0, a0, t1
    addi    t2, t2, '0'
    addi    t0, t0, -1
    sb      t2, 0(t0)
    bnez    a0, 1b
    mv      a0, t0
# puts(a0 = string that ends with 0)
puts:
    la      t0, tohost
    li      t1, HTIF_PUTCHAR
    slli    t1, t1, 48
1:  lbu     t2, 0(a0)
    beqz    t2, 3f
    or      t2, t2, t1
    sd      t2, 0(t0)
2:  ld      t2, 0(t0)
    bnez    t2, 2b
    addi    a0, a0, 1
    j       1b
3:  ret

    .balign 4
trap:                                   # nothing here may trap
    li      a0, 1
# finish(a0 = code, 0 for success): does not return
finish:
    slli    a0, a0, 1
    ori     a0, a0, 1
    la      t0, tohost
1:  sd      a0, 0(t0)
    j       1b

park:
    wfi
    j       park

    .section .rodata
unit:
    .string " primes\n"

    .data
    .balign 4096
    .globl tohost, fromhost
    .type tohost, @object               # QEMU wants symbols of exactly 8 bytes
    .size tohost, 8
    .type fromhost, @object
    .size fromhost, 8
tohost:
    .dword 0
fromhost:
    .dword 0
digits:
    .zero 20
digits_end:
    .byte 0

    .bss
    .balign 4096
root:
    .zero 4096
    .globl buffer_start, buffer_end
buffer_start:
    .zero N
    .balign 32
buffer_end:
