# purpose: the smallest guest: a line on the ns16550 UART, then the test finisher
# ram: 64K
# host-ram: 128K
# vcpus: 1
# expect: exit 0
# output: "hello, world\n"
# insns: about 150
#
# This is the board laid out as QEMU's `virt` machine: the UART stands at 0x10000000, the finisher at 0x100000. Both are
# memory that no memslot backs, so every access below leaves the guest as an MMIO exit. Runs unchanged under
# `qemu-system-riscv64 -M virt -bios none -nographic -kernel`.
#
# Memory: one page at 0x80000000, code and string together. There is nothing to check but the text and the end.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ UART, 0x10000000               # transmit register, one byte
    .equ UART_LSR, 5                    # line status register
    .equ LSR_THRE, 0x20                 # the transmitter takes another byte
    .equ FINISHER, 0x100000
    .equ FINISHER_PASS, 0x5555
    .equ FINISHER_FAIL, 0x3333          # the guest's code stands in the upper half

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      t0, trap
    csrw    mtvec, t0

    la      a0, greeting
    li      a1, UART
next_char:
    lbu     a2, 0(a0)
    beqz    a2, pass
wait_for_uart:
    lbu     t0, UART_LSR(a1)
    andi    t0, t0, LSR_THRE
    beqz    t0, wait_for_uart
    sb      a2, 0(a1)
    addi    a0, a0, 1
    j       next_char

pass:
    li      t1, FINISHER_PASS
    j       finish

    .balign 4
trap:                                   # nothing here may trap
    li      t1, FINISHER_FAIL + (1 << 16)
finish:
    li      t0, FINISHER
    sw      t1, 0(t0)
park:
    wfi
    j       park

    .section .rodata
greeting:
    .string "hello, world\n"
