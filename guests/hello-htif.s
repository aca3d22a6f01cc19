# purpose: the smallest HTIF guest: a line on the HTIF console, then an HTIF exit
# ram: 64K
# host-ram: 128K
# vcpus: 1
# expect: exit 0
# output: "hello, world\n"
# insns: about 150
#
# HTIF (host-target interface) needs no device: the host finds the two words `tohost` and `fromhost` by their symbols
# and watches what the guest stores there. So the same program runs here, in Spike, and under
# `qemu-system-riscv64 -M spike -bios none -nographic -kernel`. All other guests speak HTIF as this one does:
#
#   putchar   tohost = 1 << 56 | 1 << 48 | char (device 1, command 1), then wait until the host took it: tohost is 0
#   exit      tohost = code << 1 | 1
#
# Memory: code at 0x80000000, and the two HTIF words in a page of their own, so that a host which watches by page sees
# nothing else there.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ HTIF_PUTCHAR, 0x0101           # the upper 16 bits of the command

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      t0, trap
    csrw    mtvec, t0

    la      a0, greeting
    call    puts
    li      a0, 0
    j       finish

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
greeting:
    .string "hello, world\n"

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
