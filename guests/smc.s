# purpose: self-modifying code: patched instructions, freshly written functions, code beside data, code on many pages
# ram: 512K
# host-ram: 128K
# vcpus: 1
# expect: exit 0
# output: "in place\nahead\nhot loop\nstraddle\nwidth\ngrow\nretarget\nbeside data\ntour\n"
# insns: about 1.4 million
#
# Whatever a machine keeps of code (decoded instructions, translated regions, chained jumps) is a cache of memory, and
# goes stale like a TLB. Here the program writes instructions and executes them after the `fence.i` that the manual
# demands: in the function that runs, in a loop that is hot, in only one half of an instruction that lies across two
# lines or two pages, over two short instructions with a long one and back, in the target of a jump. The last stages
# keep data that changes in the middle of code that does not (no fence there), and let code fill more pages than a small
# host has, so that translated code must survive its page's trip to swap, or be forgotten with it.
#
# Memory: code at 0x80000000, one page for HTIF, then buffer_start..buffer_end: pages of generated code.
#
# Checks itself: each function returns what its newest instructions say; code 2 + stage number, from 0, in the order of
# the output.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ CODE_PAGES, 64
    .equ ROUNDS, 500

    .equ PAGE_SIZE, 4096
    .equ LI_A0, 0x00000513              # addi a0, zero, 0; the immediate stands in bits 31:20
    .equ ADDI_A0, 0x00050513            # addi a0, a0, 0
    .equ ADDI_A0_LOWER, 0x0513          # its lower half, with the opcode
    .equ XORI_A0_LOWER, 0x4513
    .equ A0_UPPER, 0x0005               # the upper half of both, with the immediate in bits 15:4
    .equ RET, 0x00008067
    .equ JAL_ZERO, 0x0000006f
    .equ C_ADDI_A0, 0x0501              # c.addi a0, 0; the immediate stands in bits 6:2
    .equ C_RET, 0x8082

    .equ HTIF_PUTCHAR, 0x0101           # the upper 16 bits of the command

    .macro expect_equal found, wanted, code
    beq     \found, \wanted, 9f
    li      a0, \code
    j       finish
9:
    .endm

    .macro stage function, name
    call    \function
    la      a0, \name
    call    puts
    .endm

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      t0, trap
    csrw    mtvec, t0

    la      s0, buffer_start
    stage   in_place, in_place_name
    stage   ahead, ahead_name
    stage   hot_loop, hot_loop_name
    stage   straddle, straddle_name
    stage   width, width_name
    stage   grow, grow_name
    stage   retarget, retarget_name
    stage   beside_data, beside_data_name
    stage   tour, tour_name
    li      a0, 0
    j       finish

# --- in place: a function near this loop, one word of which changes each time ----------------------------------------

in_place:
    mv      s11, ra
    la      s1, victim
    li      s2, 0
1:  slli    t0, s2, 20
    li      t1, ADDI_A0
    or      t0, t0, t1
    sw      t0, 0(s1)
    fence.i
    li      a0, 1
    jalr    s1
    addi    t0, s2, 1
    expect_equal a0, t0, 2
    addi    s2, s2, 1
    li      t0, ROUNDS
    bltu    s2, t0, 1b
    mv      ra, s11
    ret

    .balign 4
    .option push
    .option norvc                       # instructions of 4 bytes, to be patched as words
victim:
    addi    a0, a0, 0
    ret
    .option pop

# --- ahead: a function that writes its own next instruction ----------------------------------------------------------

ahead:
    mv      s11, ra
    li      s2, 0
1:  slli    a1, s2, 20
    li      t1, LI_A0
    or      a1, a1, t1
    call    write_ahead
    expect_equal a0, s2, 3
    addi    s2, s2, 1
    li      t0, ROUNDS
    bltu    s2, t0, 1b
    mv      ra, s11
    ret

    .balign 4
    .option push
    .option norvc                       # instructions of 4 bytes, to be patched as words
write_ahead:                            # a1 = the instruction
    auipc   t0, 0
    sw      a1, 12(t0)
    fence.i
    li      a0, -1                      # 12 bytes on: never executed as it stands here
    ret
    .option pop

# --- hot loop: a loop that replaces an instruction of its body on the way --------------------------------------------

hot_loop:
    mv      s11, ra
    li      s2, 2                       # the step after the change
1:  la      t0, hot_step
    li      t1, ADDI_A0 + (1 << 20)
    sw      t1, 0(t0)
    fence.i
    slli    a3, s2, 20
    li      t1, ADDI_A0
    or      a3, a3, t1
    li      a0, 0
    li      a1, 2000                    # iterations
    li      a2, 700                     # left when the step changes
    call    hot
    li      t0, 700
    mul     t0, t0, s2
    addi    t0, t0, 1300
    expect_equal a0, t0, 4
    addi    s2, s2, 1
    li      t0, 100
    bltu    s2, t0, 1b
    mv      ra, s11
    ret

    .balign 4
    .option push
    .option norvc                       # instructions of 4 bytes, to be patched as words
hot:
    la      t0, hot_step
1:  bne     a1, a2, hot_step
    sw      a3, 0(t0)
    fence.i
hot_step:
    addi    a0, a0, 1
    addi    a1, a1, -1
    bnez    a1, 1b
    ret
    .option pop

# --- straddle: an instruction across the end of a line, then of a page, whose halves change in turn ------------------

straddle:
    mv      s11, ra
    addi    s1, s0, 62
    call    straddle_at
    li      s1, PAGE_SIZE - 2
    add     s1, s1, s0
    call    straddle_at
    mv      ra, s11
    ret

straddle_at:                            # s1 = where
    mv      s10, ra
    li      t0, RET
    sh      t0, 4(s1)
    srli    t0, t0, 16
    sh      t0, 6(s1)
    li      t0, ADDI_A0_LOWER
    sh      t0, 0(s1)
    li      s2, 0
1:  slli    t0, s2, 4                   # another immediate
    ori     t0, t0, A0_UPPER
    sh      t0, 2(s1)
    fence.i
    li      a0, -1
    jalr    s1
    addi    s3, s2, -1
    expect_equal a0, s3, 5

    li      t0, XORI_A0_LOWER           # another operation, the same immediate
    sh      t0, 0(s1)
    fence.i
    li      a0, -1
    jalr    s1
    not     t0, s2
    expect_equal a0, t0, 5

    li      t0, ADDI_A0_LOWER           # and back
    sh      t0, 0(s1)
    fence.i
    li      a0, -1
    jalr    s1
    expect_equal a0, s3, 5
    addi    s2, s2, 1
    li      t0, ROUNDS
    bltu    s2, t0, 1b
    mv      ra, s10
    ret

# --- width: one long instruction, two short ones, or one short one and an early return -------------------------------

width:
    mv      s11, ra
    addi    s1, s0, 128                 # the four bytes lie in a word
    call    width_at
    addi    s1, s0, 190                 # across two lines
    call    width_at
    mv      ra, s11
    ret

width_at:                               # s1 = where
    mv      s10, ra
    li      t0, RET
    sh      t0, 4(s1)
    srli    t0, t0, 16
    sh      t0, 6(s1)
    li      s2, ROUNDS
1:  li      a1, ADDI_A0 + (5 << 20)
    li      a2, 5
    call    width_try
    li      a1, C_ADDI_A0 + (1 << 2) + ((C_ADDI_A0 + (2 << 2)) << 16)
    li      a2, 3
    call    width_try
    li      a1, C_ADDI_A0 + (7 << 2) + (C_RET << 16)
    li      a2, 7
    call    width_try
    addi    s2, s2, -1
    bnez    s2, 1b
    mv      ra, s10
    ret

width_try:                              # a1 = the four bytes, a2 = what they add up to
    mv      s9, ra
    sh      a1, 0(s1)
    srli    a1, a1, 16
    sh      a1, 2(s1)
    fence.i
    li      a0, 0
    jalr    s1
    expect_equal a0, a2, 6
    mv      ra, s9
    ret

# --- grow: ever longer functions over the same place, up to three pages ----------------------------------------------

grow:
    mv      s11, ra
    li      t0, PAGE_SIZE - 128         # soon across a page
    add     s1, s0, t0
    li      s2, 1                       # length in instructions
1:  mv      t0, s1
    mv      t1, s2
    li      t2, ADDI_A0 + (1 << 20)
2:  sw      t2, 0(t0)
    addi    t0, t0, 4
    addi    t1, t1, -1
    bnez    t1, 2b
    li      t2, RET
    sw      t2, 0(t0)
    fence.i
    li      a0, 0
    jalr    s1
    expect_equal a0, s2, 7
    addi    s2, s2, 61
    li      t0, 3000
    bltu    s2, t0, 1b
    mv      ra, s11
    ret

# --- retarget: one jump, led to seven functions on seven pages in turn -----------------------------------------------

retarget:
    mv      s11, ra
    li      s2, 7
1:  call    retarget_function
    slli    t0, s2, 20
    li      t1, LI_A0
    or      t0, t0, t1
    sw      t0, 0(a0)
    li      t0, RET
    sw      t0, 4(a0)
    addi    s2, s2, -1
    bnez    s2, 1b

    addi    s1, s0, 256                 # the jump
    li      s3, ROUNDS
2:  li      t0, 7
    remu    s2, s3, t0
    addi    s2, s2, 1
    call    retarget_function
    mv      a1, s1
    call    write_jump
    fence.i
    jalr    s1
    expect_equal a0, s2, 8
    addi    s3, s3, -1
    bnez    s3, 2b
    mv      ra, s11
    ret

retarget_function:                      # s2 = number, from 1 -> a0 = address
    li      t0, PAGE_SIZE + 60
    mul     a0, s2, t0
    add     a0, a0, s0
    ret

# --- beside data: a function with a counter in its own line. The code stays as it is: no fence ------------------------

beside_data:
    mv      s11, ra
    li      s2, 0
1:  addi    s2, s2, 1
    call    count_up
    expect_equal a0, s2, 9
    li      t0, 4 * ROUNDS
    bltu    s2, t0, 1b
    mv      ra, s11
    ret

    .balign 8
    .option push
    .option norvc                       # the counter stands 24 bytes on
count_up:
    auipc   t0, 0
    ld      a0, 24(t0)
    addi    a0, a0, 1
    sd      a0, 24(t0)
    ret
    nop
counter:
    .dword  0
    .option pop

# --- tour: a chain of jumps through all pages, one addition on each; every third is patched now and then -------------

tour:
    mv      s11, ra
    li      s2, 0
    li      s3, 0                       # the sum of all additions
1:  mv      a1, s2                      # page n adds n
    call    write_stop
    add     s3, s3, s2
    addi    s2, s2, 1
    li      t0, CODE_PAGES
    bltu    s2, t0, 1b

    li      s4, 16                      # rounds
2:  fence.i
    li      s2, 8                       # tours without a change
3:  li      a0, 0
    jalr    s0
    expect_equal a0, s3, 10
    addi    s2, s2, -1
    bnez    s2, 3b

    addi    s2, s4, -1                  # another third in each round
    li      t0, 3
    remu    s2, s2, t0
4:  add     a1, s2, s4
    call    tour_stop
    lw      t0, 0(a0)
    srli    t0, t0, 20
    sub     t0, a1, t0
    add     s3, s3, t0
    call    write_stop
    addi    s2, s2, 3
    li      t0, CODE_PAGES
    bltu    s2, t0, 4b
    addi    s4, s4, -1
    bnez    s4, 2b
    mv      ra, s11
    ret

tour_stop:                              # s2 = page -> a0 = where its code lies: somewhere else on each but the first
    slli    a0, s2, 12
    add     a0, a0, s0
    li      t0, 36
    mul     t0, t0, s2
    add     a0, a0, t0
    ret

write_stop:                             # s2 = page, a1 = what it adds
    mv      s10, ra
    call    tour_stop
    slli    t0, a1, 20
    li      t1, ADDI_A0
    or      t0, t0, t1
    sw      t0, 0(a0)
    addi    a1, a0, 4
    li      t0, RET
    li      t1, CODE_PAGES - 1
    beq     s2, t1, 1f
    addi    s2, s2, 1
    call    tour_stop
    addi    s2, s2, -1
    mv      ra, s10
    j       write_jump
1:  sw      t0, 0(a1)
    mv      ra, s10
    ret

# write_jump(a0 = target, a1 = where): `j` to the target. Unprivileged manual, "Unconditional Jumps".
write_jump:
    sub     t0, a0, a1
    li      t1, JAL_ZERO
    srli    t2, t0, 20                  # imm[20] to bit 31
    andi    t2, t2, 1
    slli    t2, t2, 31
    or      t1, t1, t2
    srli    t2, t0, 1                   # imm[10:1] to bits 30:21
    andi    t2, t2, 0x3ff
    slli    t2, t2, 21
    or      t1, t1, t2
    srli    t2, t0, 11                  # imm[11] to bit 20
    andi    t2, t2, 1
    slli    t2, t2, 20
    or      t1, t1, t2
    srli    t2, t0, 12                  # imm[19:12] to bits 19:12
    andi    t2, t2, 0xff
    slli    t2, t2, 12
    or      t1, t1, t2
    sw      t1, 0(a1)
    ret

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
in_place_name:
    .string "in place\n"
ahead_name:
    .string "ahead\n"
hot_loop_name:
    .string "hot loop\n"
straddle_name:
    .string "straddle\n"
width_name:
    .string "width\n"
grow_name:
    .string "grow\n"
retarget_name:
    .string "retarget\n"
beside_data_name:
    .string "beside data\n"
tour_name:
    .string "tour\n"

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
    .globl buffer_start, buffer_end
buffer_start:
    .zero CODE_PAGES * PAGE_SIZE
buffer_end:
