# Wanders through 16 MiB for ever: stores to random pages of a window of 512, now and then to one anywhere, and moves the
# window on after 2^17 stores. For the picture of a run of minutes: umbra run wander.s --ram 32M --host-ram 4M

.globl _start
_start:
        la      s0, buffer
        li      s1, 88172645463325252   # of a xorshift generator
        li      s2, 0                   # first page of the window
        li      s4, 4095
move:
        li      s3, 1 << 17
store:
        slli    t0, s1, 13
        xor     s1, s1, t0
        srli    t0, s1, 7
        xor     s1, s1, t0
        slli    t0, s1, 17
        xor     s1, s1, t0
        srli    t1, s1, 20
        andi    t2, s1, 2047
        beqz    t2, anywhere
        andi    t1, t1, 511
        add     t1, t1, s2
anywhere:
        and     t1, t1, s4
        slli    t1, t1, 12
        add     t1, t1, s0
        sd      s1, 0(t1)
        li      t3, 100
work:
        addi    t3, t3, -1
        bnez    t3, work
        addi    s3, s3, -1
        bnez    s3, store
        addi    s2, s2, 200
        and     s2, s2, s4
        j       move

        .balign 4096
buffer:
