# purpose: harts that share memory: LR/SC, every AMO, two kinds of lock, mailboxes with fences, interrupts between harts
# ram: 256K
# host-ram: 128K
# vcpus: 4
# expect: exit 0
# output: "LR/SC\nAMO\nbits\nswap\nspinlock\nticket lock\nmailboxes\ninterrupts\n"
# insns: about 5.8 million, waiting not counted
#
# Runs on 1 to 8 harts (further ones are parked); how many there are stands in the device tree (in a1 at entry). Each
# stage lets all harts work on the same few pages, ends in a barrier, and is judged by hart 0, mostly against what one
# hart alone would have computed. What this asks of a hypervisor: an LR reservation must fall when another hart writes,
# and may fall but not fake success when the page is swapped, migrated or zapped in between; an AMO is one step, also
# when it faults in the middle; stores of one hart reach the others in the order of its fences.
#
# Memory: code at 0x80000000, one page for HTIF, then some pages that the harts share. Each stage has its own words.
# The spinlock guards two counters on different pages, which must never be seen to differ.
#
# Fail codes: 1 unexpected trap; 2, 3 LR/SC; 4 to 12 AMO; 13 to 15 bits; 16 swap; 17, 18 spinlock; 19, 20 ticket lock;
# 21 mailboxes; 22 interrupts.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ ROUNDS, 20000                  # per hart, where nobody waits for anybody
    .equ LOCKED, 2000                   # per hart, where one may have to wait
    .equ HANDOFFS, 100                  # per hart, where each step waits for another hart: on one CPU, for a time slice
    .equ MAX_HARTS, 8

    .equ GOLDEN, 0x9e3779b97f4a7c15
    .equ CLINT_MSIP, 0x02000000         # one word per hart
    .equ MIE_MSIE, 1 << 3
    .equ MSTATUS_MIE, 1 << 3
    .equ CAUSE_SOFTWARE_INTERRUPT, (1 << 63) + 3

    .equ BOX_SIZE, 128                  # the flag, and 64 bytes on, 8 words of message
    .equ AREA_SIZE, 64                  # per hart: saved t0, saved t1, count of interrupts
    .equ AREA_COUNT, 16

    .equ HTIF_PUTCHAR, 0x0101           # the upper 16 bits of the command

    .equ FDT_MAGIC, 0xedfe0dd0          # as a little-endian load sees it
    .equ FDT_BEGIN_NODE, 1
    .equ FDT_END_NODE, 2
    .equ FDT_PROP, 3
    .equ FDT_NOP, 4
    .equ FDT_NAME_CPU, 0x40757063       # "cpu@"

    .macro spin_hint                    # `pause` of Zihintpause, a fence without effect elsewhere
    .word   0x0100000f
    .endm

    .macro expect_equal found, wanted, code
    beq     \found, \wanted, 9f
    li      a0, \code
    j       finish
9:
    .endm

    .macro done name                    # ends a stage that passed: its name on the console
    la      a0, \name
    call    puts
    .endm

# In every hart, from `main` on: s0 hart, s1 harts, s2 target of the barrier, s3 GOLDEN, s4 = 1, s11 its area.

    .text
    .globl _start
_start:
    la      t0, trap
    csrw    mtvec, t0
    csrw    mie, zero
    csrr    s0, mhartid
    la      s2, harts
    bnez    s0, other_hart
    mv      a0, a1
    call    count_harts
    li      t0, MAX_HARTS
    bgeu    t0, a0, 1f
    mv      a0, t0
1:  mv      s1, a0
    fence   rw, w
    sd      s1, 0(s2)
    j       main
other_hart:
    spin_hint
    ld      s1, 0(s2)
    beqz    s1, other_hart
    fence   r, rw
    bgeu    s0, s1, park

main:
    li      s2, 0
    li      s3, GOLDEN
    li      s4, 1
    la      s11, areas
    li      t0, AREA_SIZE
    mul     t0, t0, s0
    add     s11, s11, t0
    csrw    mscratch, s11

    call    lr_sc
    bnez    s0, 1f
    call    judge_lr_sc
1:  call    amo
    bnez    s0, 2f
    call    judge_amo
2:  call    bits
    bnez    s0, 3f
    call    judge_bits
3:  call    swap
    bnez    s0, 4f
    call    judge_swap
4:  call    spinlock
    bnez    s0, 5f
    call    judge_spinlock
5:  call    ticket_lock
    bnez    s0, 6f
    call    judge_ticket_lock
6:  call    mailboxes
    bnez    s0, 7f
    done    mailboxes_name
7:  call    interrupts
    bnez    s0, park
    done    interrupts_name
    li      a0, 0
    j       finish

# term(a0 = round, a1 = hart) -> a2 = a 64-bit number of its own for each pair
    .macro term
    slli    a2, a0, 6
    add     a2, a2, a1
    addi    a2, a2, 1
    mul     a2, a2, s3
    .endm

# --- LR/SC: two shared counters, of 8 and of 4 bytes -----------------------------------------------------------------

lr_sc:
    la      t0, counter_d
    la      t1, counter_w
    li      a0, ROUNDS
1:  lr.d    t2, (t0)
    addi    t2, t2, 1
    sc.d    t3, t2, (t0)
    bnez    t3, 1b
2:  lr.w.aq t2, (t1)
    addi    t2, t2, -1
    sc.w.rl t3, t2, (t1)
    bnez    t3, 2b
    addi    a0, a0, -1
    bnez    a0, 1b
    j       barrier

judge_lr_sc:
    mv      s10, ra
    li      t0, ROUNDS
    mul     t0, t0, s1
    la      t1, counter_d
    ld      t2, 0(t1)
    expect_equal t2, t0, 2
    la      t1, counter_w
    ld      t2, 0(t1)                   # the upper half must still be 0
    neg     t0, t0
    slli    t0, t0, 32
    srli    t0, t0, 32
    expect_equal t2, t0, 3
    done    lr_sc_name
    mv      ra, s10
    ret

# --- AMO: all harts fold their terms into the same words -------------------------------------------------------------

amo:
    la      t0, folded
    li      a0, ROUNDS
    mv      a1, s0
1:  term
    addi    t1, t0, 0
    amoadd.d zero, a2, (t1)
    addi    t1, t0, 8
    amoadd.w zero, a2, (t1)
    addi    t1, t0, 16
    amoxor.d zero, a2, (t1)
    addi    t1, t0, 24
    amomax.d zero, a2, (t1)
    addi    t1, t0, 32
    amomin.d zero, a2, (t1)
    addi    t1, t0, 40
    amomaxu.d zero, a2, (t1)
    addi    t1, t0, 48
    amominu.d zero, a2, (t1)
    addi    t1, t0, 56
    amomax.w zero, a2, (t1)
    addi    t1, t0, 64
    amominu.w zero, a2, (t1)
    addi    a0, a0, -1
    bnez    a0, 1b
    j       barrier

# The same fold by one hart, with plain instructions: t0 sum, t1 xor, t2 max, t3 min, t4 maxu, t5 minu, a3 max.w,
# a4 minu.w (zero-extended). The sum is kept for the stage after next.
judge_amo:
    mv      s10, ra
    li      t0, 0
    li      t1, 0
    li      t2, 1 << 63
    not     t3, t2
    li      t4, 0
    li      t5, -1
    li      a3, -0x80000000
    srli    a4, t5, 32
    li      a1, 0
1:  li      a0, ROUNDS
2:  term
    add     t0, t0, a2
    xor     t1, t1, a2
    bge     t2, a2, 3f
    mv      t2, a2
3:  bge     a2, t3, 4f
    mv      t3, a2
4:  bgeu    t4, a2, 5f
    mv      t4, a2
5:  bgeu    a2, t5, 6f
    mv      t5, a2
6:  sext.w  a5, a2
    bge     a3, a5, 7f
    mv      a3, a5
7:  slli    a5, a2, 32
    srli    a5, a5, 32
    bgeu    a5, a4, 8f
    mv      a4, a5
8:  addi    a0, a0, -1
    bnez    a0, 2b
    addi    a1, a1, 1
    bltu    a1, s1, 1b
    mv      s9, t0

    la      a1, folded
    ld      a2, 0(a1)
    expect_equal a2, t0, 4
    ld      a2, 8(a1)                   # the upper half must still be 0
    slli    t0, t0, 32
    srli    t0, t0, 32
    expect_equal a2, t0, 5
    ld      a2, 16(a1)
    expect_equal a2, t1, 6
    ld      a2, 24(a1)
    expect_equal a2, t2, 7
    ld      a2, 32(a1)
    expect_equal a2, t3, 8
    ld      a2, 40(a1)
    expect_equal a2, t4, 9
    ld      a2, 48(a1)
    expect_equal a2, t5, 10
    lw      a2, 56(a1)
    expect_equal a2, a3, 11
    lwu     a2, 64(a1)
    expect_equal a2, a4, 12
    done    amo_name
    mv      ra, s10
    ret

# --- bits: amoor sets and amoand clears a bit of the hart's own, in a word that all harts write -----------------------

bits:
    la      t0, bits_word
    li      a0, ROUNDS
1:  slli    t1, a0, 3                   # bit 8 n + hart, another n each round
    add     t1, t1, s0
    sll     t1, s4, t1
    amoor.d t2, t1, (t0)
    and     t2, t2, t1
    expect_equal t2, zero, 13           # nobody else sets this bit
    not     t2, t1
    amoand.d t2, t2, (t0)
    and     t2, t2, t1
    expect_equal t2, t1, 14             # nobody else clears it
    addi    a0, a0, -1
    bnez    a0, 1b
    j       barrier

judge_bits:
    mv      s10, ra
    la      t0, bits_word
    ld      t1, 0(t0)
    expect_equal t1, zero, 15
    done    bits_name
    mv      ra, s10
    ret

# --- swap: each term that is put into the slot comes out once --------------------------------------------------------

swap:
    la      t0, slot
    li      a0, ROUNDS
    mv      a1, s0
    li      t1, 0
1:  term
    amoswap.d a2, a2, (t0)
    add     t1, t1, a2
    addi    a0, a0, -1
    bnez    a0, 1b
    la      t0, swapped_out
    amoadd.d zero, t1, (t0)
    j       barrier

judge_swap:
    mv      s10, ra
    la      t0, slot
    ld      t1, 0(t0)
    la      t0, swapped_out
    ld      t2, 0(t0)
    add     t1, t1, t2
    expect_equal t1, s9, 16
    done    swap_name
    mv      ra, s10
    ret

# --- spinlock: test and test-and-set ---------------------------------------------------------------------------------

spinlock:
    la      t0, lock
    la      t1, pair_left
    la      t2, pair_right
    li      a0, LOCKED
1:  amoswap.w.aq t3, s4, (t0)
    beqz    t3, 3f
2:  spin_hint
    lw      t3, 0(t0)
    bnez    t3, 2b
    j       1b
3:  ld      t4, 0(t1)
    ld      t5, 0(t2)
    expect_equal t4, t5, 17
    addi    t4, t4, 1
    sd      t4, 0(t1)
    sd      t4, 0(t2)
    amoswap.w.rl zero, zero, (t0)
    addi    a0, a0, -1
    bnez    a0, 1b
    j       barrier

judge_spinlock:
    mv      s10, ra
    li      t0, LOCKED
    mul     t0, t0, s1
    la      t1, pair_left
    ld      t2, 0(t1)
    expect_equal t2, t0, 18
    done    spinlock_name
    mv      ra, s10
    ret

# --- ticket lock: strictly in turn, taken and given with plain loads, stores and fences ------------------------------

ticket_lock:
    la      t0, next_ticket
    la      t1, now_serving
    la      t2, guarded
    li      a0, HANDOFFS
1:  amoadd.w t3, s4, (t0)
    j       3f
2:  spin_hint
3:  lw      t4, 0(t1)
    bne     t4, t3, 2b
    fence   r, rw
    ld      t4, 0(t2)
    expect_equal t4, t3, 19             # the holder of ticket n finds n visits
    addi    t4, t4, 1
    sd      t4, 0(t2)
    fence   rw, w
    sw      t4, 0(t1)
    addi    a0, a0, -1
    bnez    a0, 1b
    j       barrier

judge_ticket_lock:
    mv      s10, ra
    li      t0, HANDOFFS
    mul     t0, t0, s1
    la      t1, guarded
    ld      t2, 0(t1)
    expect_equal t2, t0, 20
    done    ticket_lock_name
    mv      ra, s10
    ret

# --- mailboxes: each hart fills its own box and empties its neighbour's ----------------------------------------------

mailboxes:
    la      t0, boxes
    li      t1, BOX_SIZE
    mul     t2, t1, s0
    add     s5, t0, t2                  # out
    addi    a1, s0, 1
    bltu    a1, s1, 1f
    li      a1, 0
1:  mul     t2, t1, a1
    add     s6, t0, t2                  # in, from hart a1
    li      a0, HANDOFFS

2:  ld      t0, 0(s5)                   # wait until it was emptied
    beqz    t0, 3f
    spin_hint
    j       2b
3:  fence   r, rw
    mv      a3, a1
    mv      a1, s0
    term
    mv      a1, a3
    addi    t0, s5, 64
    addi    t1, s5, BOX_SIZE
4:  sd      a2, 0(t0)
    add     a2, a2, s3
    addi    t0, t0, 8
    bltu    t0, t1, 4b
    fence   rw, w
    sd      s4, 0(s5)

5:  ld      t0, 0(s6)                   # wait until it was filled
    bnez    t0, 6f
    spin_hint
    j       5b
6:  fence   r, rw
    term
    addi    t0, s6, 64
    addi    t1, s6, BOX_SIZE
7:  ld      t2, 0(t0)
    expect_equal t2, a2, 21
    add     a2, a2, s3
    addi    t0, t0, 8
    bltu    t0, t1, 7b
    fence   rw, w
    sd      zero, 0(s6)

    addi    a0, a0, -1
    bnez    a0, 2b
    j       barrier

# --- interrupts: a token goes round as a software interrupt, and harts sleep until it comes --------------------------

interrupts:
    mv      s10, ra
    addi    s5, s0, 1                   # the next hart's msip
    bltu    s5, s1, 1f
    li      s5, 0
1:  slli    s5, s5, 2
    li      t0, CLINT_MSIP
    add     s5, s5, t0
    li      t0, MIE_MSIE
    csrw    mie, t0
    li      a0, 0                       # tokens received
2:  bnez    s0, 3f
    sw      s4, 0(s5)                   # hart 0 starts each round ...
3:  addi    a0, a0, 1
    call    wait_for_token
    beqz    s0, 4f
    sw      s4, 0(s5)                   # ... and the others pass it on
4:  li      t0, HANDOFFS
    bltu    a0, t0, 2b
    call    barrier
    ld      t1, AREA_COUNT(s11)
    li      t0, HANDOFFS
    expect_equal t1, t0, 22             # none came twice
    mv      ra, s10
    j       barrier

# wait_for_token(a0 = how many must have come). Interrupts are taken only between `wfi` and the next look at the count,
# so none can slip in between looking and sleeping.
wait_for_token:
    ld      t1, AREA_COUNT(s11)
    bgeu    t1, a0, 1f
    wfi
    csrsi   mstatus, MSTATUS_MIE
    csrci   mstatus, MSTATUS_MIE
    j       wait_for_token
1:  ret

    .balign 4
trap:                                   # t6 is swapped with this hart's area
    csrrw   t6, mscratch, t6
    sd      t0, 0(t6)
    sd      t1, 8(t6)
    csrr    t0, mcause
    li      t1, CAUSE_SOFTWARE_INTERRUPT
    bne     t0, t1, unexpected
    csrr    t0, mhartid
    slli    t0, t0, 2
    li      t1, CLINT_MSIP
    add     t0, t0, t1
    sw      zero, 0(t0)
    fence
    lw      t0, 0(t0)                   # the device has it: the interrupt is no longer pending
    ld      t0, AREA_COUNT(t6)
    addi    t0, t0, 1
    sd      t0, AREA_COUNT(t6)
    ld      t0, 0(t6)
    ld      t1, 8(t6)
    csrrw   t6, mscratch, t6
    mret
unexpected:
    li      a0, 1
    j       finish

# barrier(): `arrived` only grows; all are there when every hart has added one for each barrier so far
barrier:
    add     s2, s2, s1
    la      t0, arrived
    fence   rw, rw
    amoadd.d.aqrl zero, s4, (t0)
1:  ld      t1, 0(t0)
    bgeu    t1, s2, 2f
    spin_hint
    j       1b
2:  fence   rw, rw
    ret

# count_harts(a0 = device tree) -> a0 = how many cpu@ nodes it has; 1 without a device tree.
# Devicetree specification, "Flattened Devicetree (DTB) Format".
count_harts:
    mv      t5, ra
    li      a2, 1
    beqz    a0, 5f
    lwu     t0, 0(a0)
    li      t1, FDT_MAGIC
    bne     t0, t1, 5f
    li      a2, 0
    addi    a1, a0, 8                   # off_dt_struct
    call    big_endian
    add     a1, a0, a3
1:  lbu     t0, 3(a1)                   # a token: its upper bytes are 0
    addi    a1, a1, 4
    li      t1, FDT_PROP
    beq     t0, t1, 4f
    li      t1, FDT_END_NODE
    beq     t0, t1, 1b
    li      t1, FDT_NOP
    beq     t0, t1, 1b
    li      t1, FDT_BEGIN_NODE
    bne     t0, t1, 5f                  # the end
    lw      t0, 0(a1)
    li      t1, FDT_NAME_CPU
    bne     t0, t1, 2f
    addi    a2, a2, 1
2:  lbu     t0, 3(a1)                   # the name is padded with zeros to whole words
    addi    a1, a1, 4
    bnez    t0, 2b
    j       1b
4:  call    big_endian                  # length of the property
    addi    a1, a1, 8
    add     a1, a1, a3
    addi    a1, a1, 3
    andi    a1, a1, -4
    j       1b
5:  mv      a0, a2
    bnez    a0, 6f
    li      a0, 1
6:  mv      ra, t5
    ret

# big_endian(a1 = address) -> a3 = the big-endian word there
big_endian:
    lbu     a3, 0(a1)
    slli    a3, a3, 8
    lbu     t0, 1(a1)
    or      a3, a3, t0
    slli    a3, a3, 8
    lbu     t0, 2(a1)
    or      a3, a3, t0
    slli    a3, a3, 8
    lbu     t0, 3(a1)
    or      a3, a3, t0
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
lr_sc_name:
    .string "LR/SC\n"
amo_name:
    .string "AMO\n"
bits_name:
    .string "bits\n"
swap_name:
    .string "swap\n"
spinlock_name:
    .string "spinlock\n"
ticket_lock_name:
    .string "ticket lock\n"
mailboxes_name:
    .string "mailboxes\n"
interrupts_name:
    .string "interrupts\n"

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

    .balign 4096
folded:                                 # where each AMO of the second stage starts from
    .dword 0                            # amoadd.d
    .dword 0                            # amoadd.w
    .dword 0                            # amoxor.d
    .dword 0x8000000000000000           # amomax.d
    .dword 0x7fffffffffffffff           # amomin.d
    .dword 0                            # amomaxu.d
    .dword -1                           # amominu.d
    .dword 0x80000000                   # amomax.w
    .dword -1                           # amominu.w

    .bss
    .balign 4096
    .globl buffer_start, buffer_end
buffer_start:
harts:                                  # 0 until hart 0 has counted
    .zero 64
arrived:
    .zero 64
counter_d:
    .zero 64
counter_w:
    .zero 64
bits_word:
    .zero 64
slot:
    .zero 64
swapped_out:
    .zero 64
lock:
    .zero 64
next_ticket:
    .zero 64
now_serving:
    .zero 64
guarded:
    .zero 64
areas:
    .zero MAX_HARTS * AREA_SIZE
boxes:
    .zero MAX_HARTS * BOX_SIZE
    .balign 4096
pair_left:
    .zero 4096
pair_right:
    .zero 4096
buffer_end:
