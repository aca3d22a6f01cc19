# purpose: quicksort of pseudo-random 64-bit keys: unpredictable branches, and two ends of a page range at work at once
# ram: 1536K
# host-ram: 128K
# vcpus: 1
# expect: exit 0
# output: "sorted\n"
# insns: about 54 million
#
# Fills an array with keys, sorts it in place, and does so ROUNDS times with other keys each time. Partitioning walks
# from both ends of a range towards its middle and swaps; the ranges shrink until they fit into memory, whatever little
# the host has: quicksort meets every size of working set in one run.
#
# Memory: code at 0x80000000, one page for HTIF and the stack of open ranges, then the COUNT keys,
# buffer_start..buffer_end.
#
# Checks itself: ascending order (code 2), and the keys' sum (code 3) and exclusive or (code 4) as before sorting.
# For benchmarks: ROUNDS scales the work (13 million instructions a round); PAGING 1 runs the rounds in S mode under
# Sv39, the first GiB of RAM mapped onto itself by one gigapage.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ COUNT, 131072
    .equ ROUNDS, 4
    .equ PAGING, 0

    .equ SMALL, 12 * 8                  # ranges up to this many bytes are left to insertion sort
    .equ STACK_BYTES, 64 * 16           # the smaller range goes first: at most log2(COUNT) ranges are open

    .equ HTIF_PUTCHAR, 0x0101           # the upper 16 bits of the command

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      t0, trap
    csrw    mtvec, t0
    la      sp, stack_end
    li      t0, PAGING
    beqz    t0, main
    call    enter_sv39

main:
    la      s0, buffer_start
    la      s1, buffer_end - 8          # the last key
    li      s2, ROUNDS
    li      s3, 1                       # state of the generator: never 0
round:
    call    generate
    mv      s4, a0                      # sum
    mv      s5, a1                      # exclusive or
    call    sort
    call    check
    bnez    a0, finish
    addi    s2, s2, -1
    bnez    s2, round

    la      a0, done
    call    puts
    li      a0, 0
    j       finish

# generate() -> a0 = sum, a1 = exclusive or of the new keys (xorshift64)
generate:
    li      a0, 0
    li      a1, 0
    mv      t0, s0
1:  slli    t1, s3, 13
    xor     s3, s3, t1
    srli    t1, s3, 7
    xor     s3, s3, t1
    slli    t1, s3, 17
    xor     s3, s3, t1
    sd      s3, 0(t0)
    add     a0, a0, s3
    xor     a1, a1, s3
    addi    t0, t0, 8
    bgeu    s1, t0, 1b
    ret

# sort(): ascending, as unsigned numbers. The range at hand is a0..a1 (addresses of its first and last key).
sort:
    mv      a6, sp                      # an empty stack
    li      a7, SMALL
    mv      a0, s0
    mv      a1, s1
range:
    sub     t0, a1, a0
    bltu    t0, a7, insertion

    # The median of the first, middle and last key is the pivot. Ordering the three in place leaves a sentinel at
    # either end, so that the scans need no bounds.
    srli    t0, t0, 4
    slli    t0, t0, 3
    add     t0, t0, a0
    ld      t1, 0(a0)
    ld      t2, 0(t0)
    ld      t3, 0(a1)
    bgeu    t2, t1, 1f
    mv      t4, t1
    mv      t1, t2
    mv      t2, t4
1:  bgeu    t3, t2, 2f
    mv      t4, t2
    mv      t2, t3
    mv      t3, t4
    bgeu    t2, t1, 2f
    mv      t4, t1
    mv      t1, t2
    mv      t2, t4
2:  sd      t1, 0(a0)
    sd      t2, 0(t0)
    sd      t3, 0(a1)

    mv      a2, a0                      # upwards
    mv      a3, a1                      # downwards
3:  addi    a2, a2, 8
    ld      t0, 0(a2)
    bltu    t0, t2, 3b
4:  addi    a3, a3, -8
    ld      t1, 0(a3)
    bltu    t2, t1, 4b
    bgeu    a2, a3, 5f
    sd      t1, 0(a2)
    sd      t0, 0(a3)
    j       3b

5:  addi    a4, a3, 8                   # now a0..a3 <= pivot <= a4..a1
    sub     t0, a3, a0
    sub     t1, a1, a4
    addi    sp, sp, -16
    bltu    t0, t1, 6f
    sd      a0, 0(sp)                   # the larger range waits
    sd      a3, 8(sp)
    mv      a0, a4
    j       range
6:  sd      a4, 0(sp)
    sd      a1, 8(sp)
    mv      a1, a3
    j       range

insertion:
    mv      t0, a0                      # a0..t0 is in order
1:  addi    t0, t0, 8
    bltu    a1, t0, 4f
    ld      t1, 0(t0)
    mv      t2, t0
2:  ld      t3, -8(t2)
    bgeu    t1, t3, 3f
    sd      t3, 0(t2)
    addi    t2, t2, -8
    bltu    a0, t2, 2b
3:  sd      t1, 0(t2)
    j       1b
4:  beq     sp, a6, 5f
    ld      a0, 0(sp)
    ld      a1, 8(sp)
    addi    sp, sp, 16
    j       range
5:  ret

# check() -> a0 = 0, or the code of what is wrong
check:
    li      t1, 0                       # the key before
    li      t2, 0                       # sum
    li      t3, 0                       # exclusive or
    mv      t0, s0
1:  ld      t4, 0(t0)
    bltu    t4, t1, 2f
    add     t2, t2, t4
    xor     t3, t3, t4
    mv      t1, t4
    addi    t0, t0, 8
    bgeu    s1, t0, 1b
    li      a0, 3
    bne     t2, s4, 3f
    li      a0, 4
    bne     t3, s5, 3f
    li      a0, 0
    ret
2:  li      a0, 2
3:  ret

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
done:
    .string "sorted\n"

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

    .bss
    .balign 4096
root:
    .zero 4096
stack:
    .zero STACK_BYTES
stack_end:
    .balign 4096
    .globl buffer_start, buffer_end
buffer_start:
    .zero COUNT * 8
buffer_end:
