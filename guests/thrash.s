# purpose: the memory thrasher: fills a buffer with a pseudo-random pattern and verifies every word, pass after pass
# ram: 80M
# host-ram: 1M
# vcpus: 1
# expect: exit 0
# output: "...\n"
# insns: about 203 million
#
# The program that this laboratory is about: a guest that uses more memory than its host has. Each pass writes the whole
# buffer with the pattern of a new seed, then reads it back and compares all of it; a dot on the console ends the pass.
# Each of these sweeps takes the pages in another order (every stride-th page modulo the buffer, with a new stride and
# start): the first one is sequential, which is the worst that an LRU list can meet. Writing sweeps dirty every page;
# reading sweeps leave them clean, so the host may drop a page without writing it again, if it kept track. A stale
# translation, a lost write or a dirty bit dropped by the host ends as a wrong word.
#
# All harts share the work: of a sweep's pages each takes every n-th, and since the order changes, the hart that
# verifies a page is mostly not the one that wrote it. A barrier ends each sweep. How many harts there are stands in the
# device tree (in a1 at entry, counted by hart 0 before it writes anything).
#
# Memory: code at 0x80000000, one page for HTIF, one for what the harts share, then buffer_start..buffer_end. RAM must
# go on for a MiB or so behind it, where the device tree lies.
#
# Checks itself: fail code 2 + h: hart h read a wrong word; `bad_address`, `bad_expected` and `bad_found` tell which.
# BUFFER_SIZE may be any number of pages, PASSES up to 2^32; a pass of 64 MiB takes 68 million instructions.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ BUFFER_SIZE, 64 * 1024 * 1024
    .equ PASSES, 3

    .equ PAGE_SHIFT, 12
    .equ PAGE_SIZE, 1 << PAGE_SHIFT
    .equ PAGES, BUFFER_SIZE / PAGE_SIZE

    .equ MULTIPLIER, 6364136223846793005    # x -> x * MULTIPLIER + INCREMENT, Knuth's MMIX generator
    .equ INCREMENT, 1442695040888963407
    .equ GOLDEN, 0x9e3779b97f4a7c15         # odd, so page -> page * GOLDEN never gives two pages the same start

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

# In every hart, from `main` on:
#   s0 hart          s3 PAGES          s6 seed of the pass       s9  INCREMENT
#   s1 harts         s4 stride         s7 target of the barrier  s10 GOLDEN
#   s2 sweep, from 0 s5 start          s8 MULTIPLIER             s11 buffer_start

    .text
    .globl _start
_start:
    la      t0, trap
    csrw    mtvec, t0
    csrr    s0, mhartid
    la      s2, harts
    bnez    s0, other_hart
    mv      a0, a1
    call    count_harts
    mv      s1, a0
    fence   rw, w
    sd      s1, 0(s2)
    j       main
other_hart:
    spin_hint
    ld      s1, 0(s2)
    beqz    s1, other_hart
    fence   r, rw
    bgeu    s0, s1, park                # not in the device tree: nobody waits for it

main:
    li      s2, 0
    li      s3, PAGES
    li      s6, 0
    li      s7, 0
    li      s8, MULTIPLIER
    li      s9, INCREMENT
    li      s10, GOLDEN
    la      s11, buffer_start
pass:
    call    write_sweep
    call    verify_sweep
    bnez    s0, 1f
    la      a0, dot
    call    puts
1:  addi    s6, s6, 1
    li      t0, PASSES
    bltu    s6, t0, pass

    bnez    s0, park
    la      a0, newline
    call    puts
    li      a0, 0
    j       finish

# write_sweep(): writes the pattern of seed s6 over this hart's pages
write_sweep:
    mv      t6, ra
    call    choose_order
    mv      a0, s0                      # position in the order
1:  bgeu    a0, s3, 3f
    call    locate
2:  mul     a2, a2, s8
    add     a2, a2, s9
    sd      a2, 0(a1)
    mul     a2, a2, s8
    add     a2, a2, s9
    sd      a2, 8(a1)
    mul     a2, a2, s8
    add     a2, a2, s9
    sd      a2, 16(a1)
    mul     a2, a2, s8
    add     a2, a2, s9
    sd      a2, 24(a1)
    addi    a1, a1, 32
    bne     a1, a3, 2b
    add     a0, a0, s1
    j       1b
3:  mv      ra, t6
    j       end_sweep

# verify_sweep(): compares this hart's pages with the pattern of seed s6
verify_sweep:
    mv      t6, ra
    call    choose_order
    mv      a0, s0
1:  bgeu    a0, s3, 3f
    call    locate
2:  ld      a4, 0(a1)
    mul     a2, a2, s8
    add     a2, a2, s9
    bne     a4, a2, bad_word
    ld      a4, 8(a1)
    mul     a2, a2, s8
    add     a2, a2, s9
    bne     a4, a2, bad_word_8
    ld      a4, 16(a1)
    mul     a2, a2, s8
    add     a2, a2, s9
    bne     a4, a2, bad_word_16
    ld      a4, 24(a1)
    mul     a2, a2, s8
    add     a2, a2, s9
    bne     a4, a2, bad_word_24
    addi    a1, a1, 32
    bne     a1, a3, 2b
    add     a0, a0, s1
    j       1b
3:  mv      ra, t6
    j       end_sweep

bad_word_24:
    addi    a1, a1, 8
bad_word_16:
    addi    a1, a1, 8
bad_word_8:
    addi    a1, a1, 8
bad_word:
    la      t0, bad_address
    sd      a1, 0(t0)
    sd      a2, 8(t0)
    sd      a4, 16(t0)
    addi    a0, s0, 2
    j       finish

# locate(a0 = position) -> a1..a3 = its page, a2 = the generator's state before the page's first word
locate:
    mul     a1, a0, s4
    add     a1, a1, s5
    remu    a1, a1, s3
    mul     a2, a1, s10
    add     a2, a2, s6
    slli    a1, a1, PAGE_SHIFT
    add     a1, a1, s11
    li      a3, PAGE_SIZE
    add     a3, a3, a1
    ret

# choose_order(): stride and start of sweep s2. A stride that has no factor in common with PAGES meets each page once.
choose_order:
    li      t0, 0x9e3779b1              # a prime
    mul     t0, t0, s2
    srli    s5, t0, 8
    remu    s5, s5, s3
    remu    s4, t0, s3                  # 0 for the first sweep, so its stride is 1
1:  addi    s4, s4, 1
    mv      t0, s3                      # Euclid's algorithm
    mv      t1, s4
2:  remu    t2, t0, t1
    mv      t0, t1
    mv      t1, t2
    bnez    t1, 2b
    li      t1, 1
    bne     t0, t1, 1b
    ret

# end_sweep(): the barrier. `arrived` only grows; a sweep is over when every hart has added one for it.
end_sweep:
    addi    s2, s2, 1
    add     s7, s7, s1
    la      t0, arrived
    li      t1, 1
    fence   rw, rw
    amoadd.d.aqrl zero, t1, (t0)
1:  ld      t1, 0(t0)
    bgeu    t1, s7, 2f
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
dot:
    .string "."
newline:
    .string "\n"

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
harts:                                  # 0 until hart 0 has counted
    .zero 64
arrived:
    .zero 64
bad_address:
    .zero 8
bad_expected:
    .zero 8
bad_found:
    .zero 8

    .balign 4096
    .globl buffer_start, buffer_end
buffer_start:
    .zero BUFFER_SIZE
buffer_end:
