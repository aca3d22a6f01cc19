# purpose: a small Sv39 kernel: demand paging, remapping, permissions, superpages, ASIDs, A/D bits, every fault checked
# ram: 2M
# host-ram: 256K
# vcpus: 1
# expect: exit 0
# output: "boot\ndemand paging\nremap\npermissions\ncopy on write\nmalformed\nmegapages\nflood\naddress spaces\nprocesses\naccessed and dirty\nprivilege\ncode\nteardown\n"
# insns: about 1.2 million
#
# What a shadow MMU must get right, as a program that runs on any RV64 machine. It boots in M mode, delegates, and
# becomes an S-mode kernel that runs U-mode code. It edits live page tables in every way that the manual allows, fences
# exactly as much as the manual demands and no more, and checks cause, stval and sepc of every trap that follows, and
# that no other trap comes. Where the manual leaves a choice (A/D bits set by hardware or by a fault, the width of an
# ASID, stval of an illegal instruction), all choices are accepted, but the first two must not change on the way.
#
# Memory: code, data and a pool of free pages, all within the first 2 MiB of RAM at 0x80000000. The kernel sees them
# under their physical addresses, through one global megapage. User code appears 1 GiB above its physical address, the
# user's heap at USER_HEAP; KERNEL_VA and HIGH_VA are the kernel's playground. tp holds the running process.
#
# Fail codes: 1 unexpected trap in M mode, 2 in S mode, 3 no free page; otherwise the number that stands at the check.

    .option norelax                     # the GNU linker must not use gp, which nobody sets here

    .equ POOL_PAGES, 160
    .equ DEMAND_PAGES, 48
    .equ CHURN_PAGES, 40                # per process: POOL_PAGES must cover two of them and their tables
    .equ CHURN_STEPS, 1500

    .equ PAGE_SIZE, 4096
    .equ MEGAPAGE_SIZE, 0x200000
    .equ RAM, 0x80000000

    .equ USER_OFFSET, 0x40000000        # user code lies this far above its physical address
    .equ USER_HEAP, 0x100000000
    .equ KERNEL_VA, 0x140000000
    .equ GIGAPAGE_VA, 0x180000000
    .equ GLOBAL_VA, RAM + MEGAPAGE_SIZE # beside the kernel, in the table that all processes share
    .equ HIGH_VA, -PAGE_SIZE            # the last page of the upper half
    .equ NOWHERE, 1 << 36               # a physical address that nothing answers

    .equ PTE_V, 1
    .equ PTE_R, 2
    .equ PTE_W, 4
    .equ PTE_X, 8
    .equ PTE_U, 16
    .equ PTE_G, 32
    .equ PTE_A, 64
    .equ PTE_D, 128
    .equ PTE_AD, PTE_A + PTE_D
    .equ KERNEL_R, PTE_V + PTE_R + PTE_AD
    .equ KERNEL_RW, KERNEL_R + PTE_W
    .equ KERNEL_RWX, KERNEL_RW + PTE_X
    .equ USER_R, KERNEL_R + PTE_U
    .equ USER_RW, KERNEL_RW + PTE_U
    .equ USER_RX, USER_R + PTE_X

    .equ ILLEGAL_INSTRUCTION, 2
    .equ BREAKPOINT, 3
    .equ FETCH_ACCESS_FAULT, 1
    .equ LOAD_ACCESS_FAULT, 5
    .equ STORE_ACCESS_FAULT, 7
    .equ ECALL_FROM_U, 8
    .equ ECALL_FROM_S, 9
    .equ FETCH_PAGE_FAULT, 12
    .equ LOAD_PAGE_FAULT, 13
    .equ STORE_PAGE_FAULT, 15
    .equ DELEGATED, 0xb1ae              # all of them but ECALL_FROM_S

    .equ MSTATUS_MPP, 3 << 11
    .equ MSTATUS_MPP_S, 1 << 11
    .equ MSTATUS_MPRV, 1 << 17
    .equ SSTATUS_SPP, 1 << 8
    .equ SSTATUS_SUM, 1 << 18
    .equ SSTATUS_MXR, 1 << 19
    .equ SATP_SV39, 8 << 60

    .equ SYS_EXIT, 0                    # a0 = result
    .equ SYS_YIELD, 1
    .equ SYS_UNMAP, 2                   # a0 = address

    .equ PROCESS_PC, 0                  # then x1 to x31, each at its number times 8
    .equ PROCESS_A0, 10 * 8
    .equ PROCESS_A1, 11 * 8
    .equ PROCESS_A7, 17 * 8
    .equ PROCESS_ROOT, 256
    .equ PROCESS_SATP, 264
    .equ PROCESS_ALIVE, 272
    .equ PROCESS_SIZE, 280

    .equ ARMED_CAUSE, 0                 # the trap that the next kernel instruction is to take
    .equ ARMED_TVAL, 8
    .equ ARMED_EPC, 16
    .equ ARMED_RESUME, 24               # 0: no trap is expected
    .equ ARMED_CHECK, 32
    .equ ARMED_HITS, 40

    .equ HTIF_PUTCHAR, 0x0101           # the upper 16 bits of the command

    .macro enter                        # stages use s registers freely; everything below them keeps the ABI
    addi    sp, sp, -16
    sd      ra, 0(sp)
    .endm

    .macro leave
    ld      ra, 0(sp)
    addi    sp, sp, 16
    ret
    .endm

    .macro stage function, name
    call    \function
    la      a0, \name
    call    puts
    .endm

    .macro same found, wanted, check
    beq     \found, \wanted, 9f
    li      a0, \check
    j       finish
9:
    .endm

    .macro is found, constant, check
    li      t6, \constant
    same    \found, t6, \check
    .endm

    .macro user_va register, label
    la      \register, \label
    li      t6, USER_OFFSET
    add     \register, \register, t6
    .endm

    .macro make_pte register, frame, flags
    srli    \register, \frame, 2
    addi    \register, \register, \flags
    .endm

# arm: the instruction at the next label 7 must trap; then execution goes on at the next label 8. Clobbers t0 to t3.
    .macro arm cause, va, check
    li      a0, \cause
    mv      a1, \va
    la      a2, 7f
    la      a3, 8f
    li      a4, \check
    call    arm_trap
    .endm

    .macro load_faults va, cause, check
    arm     \cause, \va, \check
7:  ld      t0, 0(\va)
8:  call    must_have_trapped
    .endm

    .macro store_faults va, cause, check
    arm     \cause, \va, \check
7:  sd      zero, 0(\va)
8:  call    must_have_trapped
    .endm

    .macro fetch_faults va, cause, check
    li      a0, \cause
    mv      a1, \va
    mv      a2, \va
    la      a3, 8f
    li      a4, \check
    call    arm_trap
    jalr    \va
8:  call    must_have_trapped
    .endm

# user: runs the user code at a label until it traps with this cause; its second argument is in a2. -> a0 = its a0
    .macro user label, argument, cause, check
    la      a0, \label
    mv      a1, \argument
    li      a3, \cause
    li      a4, \check
    call    try_user
    .endm

# --- M mode: boot, and one service ------------------------------------------------------------------------------------

    .text
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      t0, machine_trap
    csrw    mtvec, t0
    li      t0, -1
    csrw    pmpaddr0, t0                # S and U mode may use all of memory
    li      t0, 0x1f                    # NAPOT, R W X
    csrw    pmpcfg0, t0
    li      t0, DELEGATED
    csrw    medeleg, t0
    csrr    t1, medeleg
    same    t0, t1, 10
    csrw    mideleg, zero
    csrw    mie, zero
    csrw    satp, zero
    li      t0, MSTATUS_MPP + MSTATUS_MPRV + SSTATUS_SUM + SSTATUS_MXR
    csrc    mstatus, t0
    li      t0, MSTATUS_MPP_S
    csrs    mstatus, t0
    la      t0, main
    csrw    mepc, t0
    mret

# The service, `ecall` from S mode: reads a double word as a less privileged mode would (MPRV), under the SUM and MXR
# that S mode has set. a0 = address, a1 = 1 as S, 0 as U -> a0 = value, a1 = 0; or a0 = mtval, a1 = cause.
    .balign 4
machine_trap:
    csrr    t0, mcause
    li      t1, ECALL_FROM_S
    bne     t0, t1, machine_unexpected
    csrr    t2, mepc
    la      t0, peek_trap
    csrw    mtvec, t0
    li      t0, MSTATUS_MPP
    csrc    mstatus, t0
    slli    t1, a1, 11
    csrs    mstatus, t1
    li      t0, MSTATUS_MPRV
    csrs    mstatus, t0
    ld      a0, 0(a0)
    csrc    mstatus, t0
    li      a1, 0
peek_return:
    la      t0, machine_trap
    csrw    mtvec, t0
    li      t0, MSTATUS_MPP
    csrc    mstatus, t0
    li      t0, MSTATUS_MPP_S
    csrs    mstatus, t0
    addi    t2, t2, 4
    csrw    mepc, t2
    mret

    .balign 4
peek_trap:
    csrc    mstatus, t0                 # MPRV
    csrr    a0, mtval
    csrr    a1, mcause
    j       peek_return

machine_unexpected:
    li      a0, 1
    j       finish

# --- the stages -------------------------------------------------------------------------------------------------------

main:
    la      sp, kernel_stack_end
    la      t0, trap_entry
    csrw    stvec, t0
    csrw    sscratch, zero
    stage   boot, boot_name
    stage   demand_paging, demand_paging_name
    stage   remap, remap_name
    stage   permissions, permissions_name
    stage   copy_on_write, copy_on_write_name
    stage   malformed, malformed_name
    stage   megapages, megapages_name
    stage   flood, flood_name
    stage   address_spaces, address_spaces_name
    stage   processes, processes_name
    stage   accessed_dirty, accessed_dirty_name
    stage   privilege, privilege_name
    stage   code, code_name
    stage   teardown, teardown_name
    li      a0, 0
    j       finish

# boot: the free list, the kernel's map, and how wide an ASID is
boot:
    enter
    la      s0, pool_end
    la      s1, pool
1:  li      t0, -PAGE_SIZE
    add     s0, s0, t0
    mv      a0, s0
    call    free_page
    bltu    s1, s0, 1b

    call    alloc_page                  # root[2] of every process leads here
    la      t0, kernel_table
    sd      a0, 0(t0)
    li      t0, RAM
    make_pte t1, t0, KERNEL_RWX + PTE_G
    sd      t1, 0(a0)

    la      tp, process_a
    li      a0, 1
    call    create_process
    ld      s0, PROCESS_SATP(tp)
    csrw    satp, s0
    sfence.vma
    csrr    s1, satp
    srli    t0, s1, 60
    is      t0, 8, 11
    slli    t0, s0, 20                  # the root, without mode and ASID
    slli    t1, s1, 20
    same    t0, t1, 12

    li      t0, 0xffff << 44            # ASIDs are as wide as the field can hold ones
    or      t0, t0, s0
    csrw    satp, t0
    csrr    t0, satp
    csrw    satp, s0
    sfence.vma
    slli    t0, t0, 4
    srli    t0, t0, 48
    la      t1, asid_max
    sd      t0, 0(t1)
    leave

# demand paging: user code that owns nothing, not even its code. Each page comes by its first fetch, store or load.
demand_paging:
    enter
    li      s0, USER_HEAP
    la      a0, user_fill
    mv      a1, s0
    li      a2, DEMAND_PAGES
    call    start_user
    call    run_user
    user_va s1, user_fill
    is      a0, FETCH_PAGE_FAULT, 20
    same    a1, s1, 21
    same    a2, s1, 22
    la      a1, user_code
    user_va a0, user_code
    li      a2, USER_RX
    call    map

    mv      s1, s0                      # the address that comes next
    user_va s2, user_fill_store
    li      s3, 0
1:  call    run_user
    li      t0, ECALL_FROM_U
    beq     a0, t0, 2f
    is      a0, STORE_PAGE_FAULT, 23
    same    a1, s1, 24
    same    a2, s2, 25
    mv      a0, s1
    call    map_new_page
    li      t0, PAGE_SIZE + 8
    add     s1, s1, t0
    addi    s3, s3, 1
    j       1b
2:  is      s3, DEMAND_PAGES, 26
    li      a2, DEMAND_PAGES
    user    user_verify, s0, ECALL_FROM_U, 27
    same    a0, zero, 28
    mv      a0, s0
    li      a1, DEMAND_PAGES
    call    unmap_range

    la      a0, user_verify             # the same pages again, now by loads: they come back empty
    mv      a1, s0
    li      a2, DEMAND_PAGES
    call    start_user
    mv      s1, s0
    user_va s2, user_verify_load
    li      s3, 0
3:  call    run_user
    li      t0, ECALL_FROM_U
    beq     a0, t0, 4f
    is      a0, LOAD_PAGE_FAULT, 29
    same    a1, s1, 30
    same    a2, s2, 31
    mv      a0, s1
    call    map_new_page
    ld      t0, 7 * 8(tp)               # the user's t2 gathers what it loads
    same    t0, zero, 32
    li      t0, PAGE_SIZE + 8
    add     s1, s1, t0
    addi    s3, s3, 1
    j       3b
4:  is      s3, DEMAND_PAGES, 33
    mv      a0, s0
    li      a1, DEMAND_PAGES
    call    unmap_range
    leave

# remap: pages that trade frames, and frames with several names
remap:
    enter
    call    alloc_page
    mv      s0, a0
    call    alloc_page
    mv      s1, a0
    li      s2, KERNEL_VA
    li      s3, KERNEL_VA + 5 * PAGE_SIZE
    li      s4, HIGH_VA
    li      s5, 200                     # rounds
1:  sd      s5, 0(s0)
    not     t0, s5
    sd      t0, 0(s1)
    mv      a0, s2
    mv      a1, s0
    li      a2, KERNEL_RW
    call    map
    mv      a0, s3
    mv      a1, s1
    li      a2, KERNEL_RW
    call    map
    mv      a0, s4                      # a second name for the second frame
    mv      a1, s1
    li      a2, KERNEL_RW
    call    map
    andi    t0, s5, 15
    bnez    t0, 2f
    li      a0, USER_HEAP               # and at times a third one, for the user
    mv      a1, s1
    li      a2, USER_RW
    call    map
    li      s6, USER_HEAP
    user    user_load, s6, ECALL_FROM_U, 36
    not     t0, s5
    same    a0, t0, 37

2:  ld      t0, 0(s2)
    same    t0, s5, 38
    ld      t0, 0(s3)
    not     t1, s5
    same    t0, t1, 39
    ld      t0, 0(s4)
    same    t0, t1, 40
    addi    t0, s5, 77
    sd      t0, 0(s4)
    ld      t1, 0(s3)
    same    t0, t1, 41
    mv      t0, s0                      # trade
    mv      s0, s1
    mv      s1, t0
    addi    s5, s5, -1
    bnez    s5, 1b

    mv      a0, s4
    call    unmap
    load_faults s4, LOAD_PAGE_FAULT, 42
    store_faults s4, STORE_PAGE_FAULT, 43
    mv      a0, s2
    call    unmap
    mv      a0, s3
    call    unmap
    li      a0, USER_HEAP
    call    unmap
    mv      a0, s0
    call    free_page
    mv      a0, s1
    call    free_page
    leave

# permissions: all of R W X U, under all of SUM and MXR, for loads, stores and fetches from U, S, and M with MPRV.
#   s0 = U X W R      s2 = frame                   s4 = its first words   s6 = 1 S mode, 0 U mode   s8 = allowed?
#   s1 = address      s3 = bit 0 SUM, bit 1 MXR    s5 = its PTE           s7 = 0 load, 1 store, 2 fetch
permissions:
    enter
    call    alloc_page
    mv      s2, a0
    la      t0, snippet
    ld      s4, 0(t0)
    sd      s4, 0(s2)
    fence.i
    li      s1, USER_HEAP
    mv      a0, s1
    li      a1, 0
    call    walk
    mv      s5, a0
    li      s0, 0
each_pte:
    make_pte t0, s2, PTE_V + PTE_AD
    slli    t1, s0, 1
    or      t0, t0, t1
    sd      t0, 0(s5)
    sfence.vma s1
    li      s3, 0
each_status:
    li      t0, SSTATUS_SUM + SSTATUS_MXR
    csrc    sstatus, t0
    slli    t0, s3, 18
    csrs    sstatus, t0
    li      s6, 0
each_mode:
    li      s7, 2                       # fetches first: after a load under SUM, QEMU 7.2 lets S mode fetch as well
each_kind:
    call    allowed
    mv      s8, a0
    call    access_as
    addi    s7, s7, -1
    bgez    s7, each_kind
    call    peek_as
    addi    s6, s6, 1
    li      t0, 2
    bltu    s6, t0, each_mode
    addi    s3, s3, 1
    li      t0, 4
    bltu    s3, t0, each_status
    addi    s0, s0, 1
    li      t0, 16
    bltu    s0, t0, each_pte

    li      t0, SSTATUS_SUM + SSTATUS_MXR
    csrc    sstatus, t0
    mv      a0, s1
    call    unmap
    mv      a0, s2
    call    free_page
    leave

# allowed() -> a0 = 1 if this access is. Privileged manual, "Virtual Address Translation Process" and "Memory Privilege
# in mstatus Register".
allowed:
    andi    t0, s0, 1                   # R
    srli    t1, s0, 1
    andi    t1, t1, 1                   # W
    srli    t2, s0, 2
    andi    t2, t2, 1                   # X
    srli    t3, s0, 3                   # U
    li      a0, 0
    bltu    t0, t1, 3f                  # W without R is reserved
    li      t4, 1
    beq     s7, t4, 1f
    bltu    t4, s7, 2f
    srli    a0, s3, 1                   # load: R, or X under MXR
    and     a0, a0, t2
    or      a0, a0, t0
    j       3f
1:  mv      a0, t1                      # store
    j       3f
2:  mv      a0, t2                      # fetch
3:  bnez    s6, 4f
    and     a0, a0, t3                  # U mode needs U
    ret
4:  xori    t3, t3, 1                   # S mode needs it clear, or SUM, which is not for fetches
    li      t4, 2
    beq     s7, t4, 5f
    andi    t4, s3, 1
    or      t3, t3, t4
5:  and     a0, a0, t3
    ret

access_as:                              # performs the access, which must trap or not as s8 says
    enter
    li      t0, 1
    beqz    s6, access_from_user
    beq     s7, t0, 2f
    bltu    t0, s7, 3f
    bnez    s8, 1f
    load_faults s1, LOAD_PAGE_FAULT, 50
    leave
1:  ld      t0, 0(s1)
    same    t0, s4, 51
    leave
2:  bnez    s8, 4f
    store_faults s1, STORE_PAGE_FAULT, 52
    leave
4:  sd      s4, 0(s1)
    leave
3:  bnez    s8, 5f
    fetch_faults s1, FETCH_PAGE_FAULT, 53
    leave
5:  jalr    s1
    is      a0, 7, 54
    leave

access_from_user:
    mv      a2, s4
    beq     s7, t0, 2f
    bltu    t0, s7, 3f
    bnez    s8, 1f
    user    user_load, s1, LOAD_PAGE_FAULT, 55
    leave
1:  user    user_load, s1, ECALL_FROM_U, 56
    same    a0, s4, 57
    leave
2:  bnez    s8, 4f
    user    user_store, s1, STORE_PAGE_FAULT, 58
    leave
4:  user    user_store, s1, ECALL_FROM_U, 59
    leave
3:  bnez    s8, 5f
    user    user_jump, s1, FETCH_PAGE_FAULT, 60
    leave
5:  user    user_jump, s1, ECALL_FROM_U, 61
    is      a0, 7, 62
    leave

peek_as:                                # the same load, by M mode with MPRV
    enter
    li      s7, 0
    call    allowed
    mv      s8, a0
    mv      a0, s1
    mv      a1, s6
    ecall
    beqz    s8, 1f
    same    a1, zero, 63
    same    a0, s4, 64
    leave
1:  is      a1, LOAD_PAGE_FAULT, 65
    same    a0, s1, 66
    leave

# copy on write: two pages share a frame until the user writes; the faulting instruction is resumed, not restarted
copy_on_write:
    enter
    call    alloc_page
    mv      s0, a0
    li      s4, 0x1234567
    sd      s4, 0(s0)
    li      s1, USER_HEAP
    li      s2, USER_HEAP + 9 * PAGE_SIZE
    mv      a0, s1
    mv      a1, s0
    li      a2, USER_R
    call    map
    mv      a0, s2
    mv      a1, s0
    li      a2, USER_R
    call    map

    li      a2, 99
    user    user_store, s1, STORE_PAGE_FAULT, 70
    call    alloc_page
    mv      s3, a0
    mv      a1, s0
    call    copy_page
    mv      a0, s1
    mv      a1, s3
    li      a2, USER_RW
    call    map
    call    run_user
    is      a0, ECALL_FROM_U, 71
    user    user_load, s1, ECALL_FROM_U, 72
    is      a0, 99, 73
    user    user_load, s2, ECALL_FROM_U, 74
    same    a0, s4, 75

    li      a2, 1                       # the other is the frame's last user: an AMO needs the right to write, too
    user    user_amo, s2, STORE_PAGE_FAULT, 76
    mv      a0, s2
    li      a1, 0
    call    walk
    lbu     t0, 0(a0)                   # a PTE is memory: any store may change it, even of a byte
    ori     t0, t0, PTE_W
    sb      t0, 0(a0)
    sfence.vma s2
    call    run_user
    is      a0, ECALL_FROM_U, 77
    ld      t0, 0(s0)
    addi    t1, s4, 1
    same    t0, t1, 78

    mv      a0, s2                      # and back: read-only again, by an AMO on the PTE
    li      a1, 0
    call    walk
    li      t0, ~PTE_W
    amoand.d zero, t0, (a0)
    sfence.vma s2
    user    user_store, s2, STORE_PAGE_FAULT, 79

    mv      a0, s1
    call    unmap
    mv      a0, s2
    call    unmap
    mv      a0, s0
    call    free_page
    mv      a0, s3
    call    free_page
    leave

# malformed: entries that the manual reserves, addresses that do not exist
malformed:
    enter
    call    alloc_page
    mv      s0, a0
    li      s1, KERNEL_VA
    mv      a0, s1
    li      a1, 0
    call    walk
    mv      s2, a0                      # its PTE
    mv      a0, s1
    li      a1, 1
    call    walk
    mv      s3, a0                      # the PTE above
    ld      s4, 0(s3)
    make_pte s5, s0, KERNEL_RWX
    la      s6, malformed_bits
    la      s7, malformed_bits_end
1:  ld      t0, 0(s6)                   # a good PTE with bits flipped
    xor     t0, t0, s5
    sd      t0, 0(s2)
    sfence.vma s1
    load_faults s1, LOAD_PAGE_FAULT, 80
    store_faults s1, STORE_PAGE_FAULT, 81
    fetch_faults s1, FETCH_PAGE_FAULT, 82
    sd      s5, 0(s2)
    sfence.vma s1
    ld      t0, 0(s1)
    same    t0, zero, 83
    addi    s6, s6, 8
    bltu    s6, s7, 1b

    li      s8, PTE_U                   # A, D and U are reserved in a pointer
2:  or      t0, s4, s8
    sd      t0, 0(s3)
    sfence.vma
    load_faults s1, LOAD_PAGE_FAULT, 84
    store_faults s1, STORE_PAGE_FAULT, 85
    slli    s8, s8, 1
    li      t0, PTE_G                   # (G is not)
    bne     s8, t0, 3f
    slli    s8, s8, 1
3:  li      t0, PTE_D
    bgeu    t0, s8, 2b

    make_pte t0, s0, KERNEL_RW          # a megapage must be aligned to its size
    sd      t0, 0(s3)
    sfence.vma
    load_faults s1, LOAD_PAGE_FAULT, 86
    sd      s4, 0(s3)
    sfence.vma

    li      t0, NOWHERE                 # not a page fault: the translation is good
    make_pte t0, t0, KERNEL_RWX
    sd      t0, 0(s2)
    sfence.vma s1
    load_faults s1, LOAD_ACCESS_FAULT, 87
    store_faults s1, STORE_ACCESS_FAULT, 88
    fetch_faults s1, FETCH_ACCESS_FAULT, 89

    li      s8, 1 << 38                 # bit 38 is not repeated above it: no Sv39 address
    load_faults s8, LOAD_PAGE_FAULT, 90
    store_faults s8, STORE_PAGE_FAULT, 91
    mv      a0, s1
    call    unmap
    mv      a0, s0
    call    free_page
    leave

# megapages: mapped, split into pages, punched, patched, collapsed again; then a gigapage. All are names for the
# kernel's own memory, so that each answer is known.
megapages:
    enter
    li      s0, KERNEL_VA
    li      t0, 4 * MEGAPAGE_SIZE
    add     s0, s0, t0
    mv      a0, s0
    li      a1, 1
    call    walk
    mv      s1, a0                      # the level-1 PTE
    la      s2, landmark
    li      t0, RAM
    sub     s3, s2, t0
    add     s3, s3, s0                  # the landmark under its other name
    li      s9, 5                       # rounds
1:  li      t0, RAM
    make_pte s4, t0, KERNEL_RW
    sd      s4, 0(s1)
    sfence.vma s3
    sd      s9, 0(s3)
    ld      t0, 0(s2)
    same    t0, s9, 100
    fetch_faults s3, FETCH_PAGE_FAULT, 101

    call    alloc_page                  # split
    mv      s5, a0
    mv      t0, s4
    li      t1, 512
2:  sd      t0, 0(a0)
    addi    t0, t0, 1 << 10
    addi    a0, a0, 8
    addi    t1, t1, -1
    bnez    t1, 2b
    make_pte t0, s5, PTE_V
    sd      t0, 0(s1)
    sfence.vma
    ld      t0, 0(s3)
    same    t0, s9, 102
    addi    s6, s9, 1000
    sd      s6, 0(s3)
    ld      t0, 0(s2)
    same    t0, s6, 103

    srli    t0, s3, 12                  # punch
    andi    t0, t0, 511
    slli    t0, t0, 3
    add     s7, s5, t0
    sd      zero, 0(s7)
    sfence.vma s3
    load_faults s3, LOAD_PAGE_FAULT, 104
    ld      t0, 0(s0)                   # a neighbour: the first words of the image
    li      t1, RAM
    ld      t1, 0(t1)
    same    t0, t1, 105

    call    alloc_page                  # patch
    mv      s8, a0
    make_pte t0, s8, KERNEL_RW
    sd      t0, 0(s7)
    sfence.vma s3
    ld      t0, 0(s3)
    same    t0, zero, 106
    sd      s3, 0(s3)
    ld      t0, 0(s2)
    same    t0, s6, 107

    sd      s4, 0(s1)                   # collapse
    sfence.vma
    ld      t0, 0(s3)
    same    t0, s6, 108
    mv      a0, s8
    call    free_page
    mv      a0, s5
    call    free_page
    addi    s9, s9, -1
    bnez    s9, 1b
    sd      zero, 0(s1)
    sfence.vma

    li      s0, GIGAPAGE_VA
    mv      a0, s0
    li      a1, 2
    call    walk
    li      t0, RAM
    make_pte t0, t0, KERNEL_R
    sd      t0, 0(a0)
    sfence.vma
    li      t0, RAM
    sub     s3, s2, t0
    add     s3, s3, s0
    ld      t0, 0(s3)
    same    t0, s6, 109
    store_faults s3, STORE_PAGE_FAULT, 110
    mv      a0, s0
    li      a1, 2
    call    walk
    sd      zero, 0(a0)
    sfence.vma
    load_faults s3, LOAD_PAGE_FAULT, 111
    leave

# flood: a whole leaf table written over and over while it is in use
flood:
    enter
    call    alloc_page
    mv      s0, a0
    call    alloc_page
    mv      s1, a0
    li      t0, 1111
    sd      t0, 0(s0)
    li      t0, 2222
    sd      t0, 0(s1)
    li      s2, KERNEL_VA
    li      t0, 8 * MEGAPAGE_SIZE
    add     s2, s2, t0
    mv      a0, s2
    li      a1, 0
    call    walk
    mv      s3, a0                      # the table
    li      s5, 4                       # rounds
1:  li      s4, 0                       # even pages get the first frame
2:  andi    t0, s4, 1
    mv      t1, s0
    beqz    t0, 3f
    mv      t1, s1
3:  make_pte t1, t1, KERNEL_RW
    slli    t0, s4, 3
    add     t0, t0, s3
    sd      t1, 0(t0)
    addi    s4, s4, 1
    li      t0, 512
    bltu    s4, t0, 2b
    sfence.vma

    li      s4, 0
4:  slli    t0, s4, 12
    add     t0, t0, s2
    ld      t1, 0(t0)
    ld      t2, 0(s0)
    andi    t3, s4, 1
    beqz    t3, 5f
    ld      t2, 0(s1)
5:  same    t1, t2, 112
    addi    s4, s4, 1
    li      t0, 512
    bltu    s4, t0, 4b
    mv      t0, s0                      # trade
    mv      s0, s1
    mv      s1, t0
    addi    s5, s5, -1
    bnez    s5, 1b

    li      s4, 511                     # from the end: each entry, once cleared and fenced, faults
6:  slli    t0, s4, 3
    add     t0, t0, s3
    sd      zero, 0(t0)
    slli    s6, s4, 12
    add     s6, s6, s2
    sfence.vma s6
    load_faults s6, LOAD_PAGE_FAULT, 113
    addi    s4, s4, -1
    bgez    s4, 6b
    mv      a0, s0
    call    free_page
    mv      a0, s1
    call    free_page
    leave

# address spaces: two processes use the same addresses; each kind of fence covers just what was changed.
#   s0 to s2 = frames that hold their own addresses; s3 = address; s4, s5 = its PTEs in process_a and process_b
address_spaces:
    enter
    la      tp, process_b
    li      a0, 2
    call    create_process
    ld      t0, PROCESS_ROOT(tp)
    la      t1, process_a
    ld      t1, PROCESS_ROOT(t1)
    ld      t2, 3 * 8(t1)               # the user's code is shared
    sd      t2, 3 * 8(t0)
    call    alloc_page
    sd      a0, 0(a0)
    mv      s0, a0
    call    alloc_page
    sd      a0, 0(a0)
    mv      s1, a0
    call    alloc_page
    sd      a0, 0(a0)
    mv      s2, a0
    li      s3, USER_HEAP + 3 * PAGE_SIZE
    mv      a0, s3
    li      a1, 0
    call    walk
    mv      s5, a0
    la      tp, process_a
    mv      a0, s3
    li      a1, 0
    call    walk
    mv      s4, a0
    li      t0, SSTATUS_SUM
    csrs    sstatus, t0

    make_pte t0, s0, USER_RW
    sd      t0, 0(s4)
    make_pte t0, s1, USER_RW
    sd      t0, 0(s5)
    sfence.vma
    li      s6, 50
1:  la      a0, process_b               # nothing changes here: no fence
    call    switch_to
    ld      t0, 0(s3)
    same    t0, s1, 120
    la      a0, process_a
    call    switch_to
    ld      t0, 0(s3)
    same    t0, s0, 121
    addi    s6, s6, -1
    bnez    s6, 1b

    li      s6, 1                       # the ASIDs
    li      s7, 2
    li      s8, 50
2:  make_pte t0, s2, USER_RW            # the other's page, by address and ASID
    sd      t0, 0(s5)
    sfence.vma s3, s7
    ld      t0, 0(s3)
    same    t0, s0, 122
    la      a0, process_b
    call    switch_to
    ld      t0, 0(s3)
    same    t0, s2, 123

    make_pte t0, s1, USER_RW            # one's own, by ASID
    sd      t0, 0(s5)
    sfence.vma zero, s7
    ld      t0, 0(s3)
    same    t0, s1, 124

    make_pte t0, s2, USER_RW            # both, by address
    sd      t0, 0(s4)
    make_pte t0, s0, USER_RW
    sd      t0, 0(s5)
    sfence.vma s3
    ld      t0, 0(s3)
    same    t0, s0, 125
    la      a0, process_a
    call    switch_to
    ld      t0, 0(s3)
    same    t0, s2, 126

    make_pte t0, s0, USER_RW            # both as at first, each by its ASID
    sd      t0, 0(s4)
    make_pte t0, s1, USER_RW
    sd      t0, 0(s5)
    sfence.vma zero, s6
    sfence.vma zero, s7
    ld      t0, 0(s3)
    same    t0, s0, 127

    li      a0, GLOBAL_VA               # a global page, in the table that all share: no ASID reaches it
    mv      a1, s0
    li      a2, KERNEL_RW + PTE_G
    call    map
    li      s9, GLOBAL_VA
    ld      t0, 0(s9)
    same    t0, s0, 128
    la      a0, process_b
    call    switch_to
    ld      t0, 0(s9)
    same    t0, s0, 129
    mv      a0, s9
    mv      a1, s2
    li      a2, KERNEL_RW + PTE_G
    call    map
    ld      t0, 0(s9)
    same    t0, s2, 130
    la      a0, process_a
    call    switch_to
    ld      t0, 0(s9)
    same    t0, s2, 131
    addi    s8, s8, -1
    bnez    s8, 2b

    call    alloc_page                  # an ASID that moves to another root
    mv      s10, a0
    la      s9, process_b
    ld      s11, PROCESS_ROOT(s9)
    mv      a1, s11
    call    copy_page
    srli    t1, s3, 30
    slli    t1, t1, 3
    add     t1, t1, s10
    sd      zero, 0(t1)                 # like process_b, but its heap is not there
    srli    t1, s10, 12
    ld      t2, PROCESS_SATP(s9)
    srli    t3, s11, 12
    sub     t2, t2, t3
    add     t2, t2, t1
    csrw    satp, t2
    sfence.vma zero, s7
    load_faults s3, LOAD_PAGE_FAULT, 132
    mv      a0, s9
    call    switch_to
    sfence.vma zero, s7
    ld      t0, 0(s3)
    same    t0, s1, 133
    la      a0, process_a
    call    switch_to

    sd      zero, 0(s4)
    sd      zero, 0(s5)
    sfence.vma s3
    load_faults s3, LOAD_PAGE_FAULT, 134
    li      t0, SSTATUS_SUM
    csrc    sstatus, t0
    li      a0, GLOBAL_VA
    call    unmap
    mv      a0, s0
    call    free_page
    mv      a0, s1
    call    free_page
    mv      a0, s2
    call    free_page
    mv      a0, s10
    call    free_page
    leave

# processes: both run the same program over the same addresses, with different seeds; each trap switches to the other
processes:
    enter
    la      tp, process_b
    la      a0, user_churn
    li      a1, USER_HEAP
    li      a2, 0x5eed
    call    start_user
    la      tp, process_a
    la      a0, user_churn
    li      a1, USER_HEAP
    li      a2, 0xcafe
    call    start_user
    li      s0, 2                       # alive
each_turn:
    call    run_user
    li      t0, ECALL_FROM_U
    beq     a0, t0, system_call
    li      t0, LOAD_PAGE_FAULT         # all else is demand paging within the heap
    beq     a0, t0, 1f
    is      a0, STORE_PAGE_FAULT, 140
1:  li      t0, USER_HEAP
    sub     t0, a1, t0
    srli    t0, t0, 12
    li      t1, CHURN_PAGES
    sltu    t0, t0, t1
    is      t0, 1, 141
    mv      s1, a1
    mv      a0, a1
    li      a1, 0
    call    walk
    ld      t0, 0(a0)
    same    t0, zero, 142               # a mapped page may not fault
    mv      a0, s1
    call    map_new_page
    j       next_turn
system_call:
    ld      t0, PROCESS_PC(tp)
    addi    t0, t0, 4
    sd      t0, PROCESS_PC(tp)
    ld      t0, PROCESS_A7(tp)
    li      t1, SYS_YIELD
    beq     t0, t1, next_turn
    bltu    t0, t1, 2f
    ld      a0, PROCESS_A0(tp)
    li      a1, 1
    call    unmap_range
    j       next_turn
2:  ld      t0, PROCESS_A0(tp)          # exit: 0 if the process found all as it should be
    same    t0, zero, 143
    sd      zero, PROCESS_ALIVE(tp)
    li      a0, USER_HEAP
    li      a1, CHURN_PAGES
    call    unmap_range
    addi    s0, s0, -1
    beqz    s0, 5f
next_turn:
    la      a0, process_a
    bne     a0, tp, 3f
    la      a0, process_b
3:  ld      t0, PROCESS_ALIVE(a0)
    beqz    t0, each_turn
    call    switch_to
    j       each_turn
5:  la      a0, process_a
    call    switch_to
    leave

# accessed and dirty: bits set by the hardware, or a fault that asks the kernel to set them.
#   s1 = address; s2 = its PTE; s3 = -1 not yet known, 0 by hardware, 1 by fault
accessed_dirty:
    enter
    call    alloc_page
    mv      s0, a0
    la      t0, snippet
    ld      t0, 0(t0)
    sd      t0, 0(s0)
    fence.i
    li      s1, KERNEL_VA
    li      s3, -1
    mv      a0, s1
    li      a1, 0
    call    walk
    mv      s2, a0
    call    accessed_dirty_of_page

    make_pte t0, s0, PTE_V + PTE_R      # a store that may not be made leaves no mark
    sd      t0, 0(s2)
    sfence.vma s1
    store_faults s1, STORE_PAGE_FAULT, 150
    make_pte t0, s0, PTE_V + PTE_R
    ld      t1, 0(s2)
    same    t0, t1, 151
    mv      a0, s1
    call    unmap

    la      t0, snippet                 # the same for a megapage, whose bits are in the table above
    ld      t1, 0(t0)
    li      t2, RAM
    sub     t0, t0, t2
    li      s1, KERNEL_VA
    li      t2, 12 * MEGAPAGE_SIZE
    add     s1, s1, t2
    add     s1, s1, t0
    mv      a0, s1
    li      a1, 1
    call    walk
    mv      s2, a0
    mv      s4, s0
    li      s0, RAM
    call    accessed_dirty_of_page
    sd      zero, 0(s2)
    sfence.vma
    mv      a0, s4
    call    free_page
    call    harvest
    leave

accessed_dirty_of_page:                 # s0 = frame
    enter
    make_pte t0, s0, PTE_V + PTE_R + PTE_W + PTE_X
    sd      t0, 0(s2)
    sfence.vma s1
    la      a0, touch_load
    li      a1, PTE_A
    call    touch
    la      a0, touch_load
    call    touch
    la      a0, touch_store
    li      a1, PTE_AD
    call    touch
    la      a0, touch_store
    call    touch

    li      a0, PTE_D                   # clean, but young
    call    clear_bits
    la      a0, touch_load
    li      a1, PTE_A
    call    touch
    la      a0, touch_store
    li      a1, PTE_AD
    call    touch

    li      a0, PTE_AD                  # clean and old
    call    clear_bits
    la      a0, touch_fetch
    li      a1, PTE_A
    call    touch
    la      a0, touch_amo
    li      a1, PTE_AD
    call    touch

    li      a0, PTE_AD
    call    clear_bits
    la      a0, touch_lr
    li      a1, PTE_A
    call    touch
    li      a0, PTE_AD
    call    clear_bits
    la      a0, touch_store
    li      a1, PTE_AD
    call    touch
    leave

clear_bits:                             # a0 = bits of the PTE at s2
    not     a0, a0
    amoand.d zero, a0, (s2)
    sfence.vma s1
    ret

# touch(a0 = access, a1 = bits that it needs): performs it; afterwards the PTE has these bits too, and else is as it
# was. Keeps a1.
touch:
    addi    sp, sp, -48
    sd      ra, 0(sp)
    sd      a0, 8(sp)
    sd      a1, 16(sp)
    ld      t0, 0(s2)
    sd      t0, 24(sp)
    jalr    a0
    call    disarm
    ld      t0, 24(sp)
    ld      a1, 16(sp)
    not     t1, t0
    and     t1, t1, a1                  # what was missing
    bnez    t1, 1f
    same    a0, zero, 152               # nothing: no fault
    j       3f
1:  bgez    s3, 2f
    mv      s3, a0
2:  same    a0, s3, 153
    beqz    s3, 3f
    ld      t2, 0(s2)
    same    t2, t0, 154                 # it trapped, and left the PTE to the kernel
    amoor.d zero, a1, (s2)
    sfence.vma s1
    ld      a0, 8(sp)
    jalr    a0
    call    disarm
    same    a0, zero, 155
3:  ld      t0, 24(sp)
    ld      a1, 16(sp)
    or      t0, t0, a1
    ld      t1, 0(s2)
    same    t0, t1, 156
    ld      ra, 0(sp)
    addi    sp, sp, 48
    ret

    .macro touch_with cause
    enter
    arm     \cause, s1, 157
    .endm
touch_load:
    touch_with LOAD_PAGE_FAULT
7:  ld      t0, 0(s1)
8:  leave
touch_store:
    touch_with STORE_PAGE_FAULT
    la      t0, snippet                 # the page keeps what it has
    ld      t0, 0(t0)
7:  sd      t0, 0(s1)
8:  leave
touch_amo:
    touch_with STORE_PAGE_FAULT
7:  amoor.d zero, zero, (s1)
8:  leave
touch_lr:
    touch_with LOAD_PAGE_FAULT
7:  lr.d    t0, (s1)
8:  leave
touch_fetch:
    enter
    li      a0, FETCH_PAGE_FAULT
    mv      a1, s1
    mv      a2, s1
    la      a3, 8f
    li      a4, 157
    call    arm_trap
    jalr    s1
8:  leave

# harvest: the user reads some pages and writes some; what the kernel then collects is exactly that. Others may be
# accessed by speculation, says the manual, but in the machines at hand they are not.
#   s0 = table of the heap; s4 = masks: read << 16 | write; s5 = rounds
harvest:
    enter
    li      s1, USER_HEAP
1:  mv      a0, s1
    call    map_new_page
    li      t0, PAGE_SIZE
    add     s1, s1, t0
    li      t0, USER_HEAP + 16 * PAGE_SIZE
    bltu    s1, t0, 1b
    li      a0, USER_HEAP
    li      a1, 0
    call    walk
    mv      s0, a0
    li      s4, 0x12345678
    li      s5, 32

2:  li      t0, 1103515245              # the next masks
    mulw    s4, s4, t0
    addiw   s4, s4, 1013
    li      t1, 16                      # all clean and old
    mv      t0, s0
    li      t2, ~PTE_AD
3:  amoand.d zero, t2, (t0)
    addi    t0, t0, 8
    addi    t1, t1, -1
    bnez    t1, 3b
    sfence.vma

    la      a0, user_touch
    li      a1, USER_HEAP
    mv      a2, s4
    call    start_user
4:  call    run_user
    li      t0, ECALL_FROM_U
    beq     a0, t0, 6f
    is      s3, 1, 160                  # no fault, where the hardware does it
    li      t1, PTE_A
    li      t0, LOAD_PAGE_FAULT
    beq     a0, t0, 5f
    is      a0, STORE_PAGE_FAULT, 161
    li      t1, PTE_AD
5:  srli    t0, a1, 12
    andi    t0, t0, 511
    slli    t0, t0, 3
    add     t0, t0, s0
    amoor.d zero, t1, (t0)
    sfence.vma a1
    j       4b

6:  li      t0, 0
7:  srl     t1, s4, t0
    andi    t1, t1, 1                   # written
    srli    t2, s4, 16
    srl     t2, t2, t0
    andi    t2, t2, 1                   # read
    or      t2, t2, t1
    slli    t2, t2, 6                   # PTE_A
    slli    t1, t1, 7                   # PTE_D
    or      t1, t1, t2
    slli    t2, t0, 3
    add     t2, t2, s0
    ld      t2, 0(t2)
    andi    t2, t2, PTE_AD
    same    t1, t2, 162
    addi    t0, t0, 1
    li      t1, 16
    bltu    t0, t1, 7b
    addi    s5, s5, -1
    bnez    s5, 2b

    li      a0, USER_HEAP
    li      a1, 16
    call    unmap_range
    leave

# privilege: what U and S mode may not do, and that registers pass through a trap unharmed
privilege:
    enter
    li      s1, 42
    li      a2, 1
    user    user_arguments, s1, ECALL_FROM_U, 170
    is      a0, 43, 171
    ld      t0, PROCESS_A7(tp)
    is      t0, 17, 172
    user    user_break, s1, BREAKPOINT, 173
    user    user_csr, s1, ILLEGAL_INSTRUCTION, 174
    user    user_fence, s1, ILLEGAL_INSTRUCTION, 175
    user    user_sret, s1, ILLEGAL_INSTRUCTION, 176

    la      s1, kernel_table            # the user sees neither the kernel nor its tables
    user    user_load, s1, LOAD_PAGE_FAULT, 177
    user    user_store, s1, STORE_PAGE_FAULT, 178
    la      s1, finish
    user    user_jump, s1, FETCH_PAGE_FAULT, 179

    arm     ILLEGAL_INSTRUCTION, zero, 180
7:  csrr    t0, mstatus
8:  call    must_have_trapped
    arm     ILLEGAL_INSTRUCTION, zero, 181
7:  mret
8:  call    must_have_trapped
    arm     BREAKPOINT, zero, 182
7:  ebreak
8:  call    must_have_trapped
    leave

# code: written under one name and executed under another; then the names change hands
#   s0, s1 = frames; s2 = where they are written; s3 = where the user executes; s4 = where the kernel does
code:
    enter
    call    alloc_page
    mv      s0, a0
    call    alloc_page
    mv      s1, a0
    li      s2, KERNEL_VA + 1 * PAGE_SIZE
    li      s3, USER_HEAP + 7 * PAGE_SIZE
    li      s4, KERNEL_VA + 2 * PAGE_SIZE
    la      t0, snippet
    ld      t0, 0(t0)
    sd      t0, 0(s0)
    sd      t0, 0(s1)
    mv      a0, s2
    mv      a1, s0
    li      a2, KERNEL_RW
    call    map
    mv      a0, s3
    mv      a1, s0
    li      a2, PTE_V + PTE_X + PTE_U + PTE_AD
    call    map
    mv      a0, s4
    mv      a1, s0
    li      a2, PTE_V + PTE_X + PTE_AD
    call    map
    li      s5, 100
1:  slli    t0, s5, 20                  # li a0, s5
    ori     t0, t0, 0x513
    sw      t0, 0(s2)
    fence.i
    user    user_jump, s3, ECALL_FROM_U, 190
    same    a0, s5, 191
    jalr    s4
    same    a0, s5, 192
    addi    s5, s5, -1
    bnez    s5, 1b

    li      s5, 100                     # s0 returns 1, s1 returns 7
2:  mv      a0, s3
    mv      a1, s1
    li      a2, PTE_V + PTE_X + PTE_U + PTE_AD
    call    map
    mv      a0, s4
    mv      a1, s0
    li      a2, PTE_V + PTE_X + PTE_AD
    call    map
    user    user_jump, s3, ECALL_FROM_U, 193
    ld      t0, 0(s1)
    slli    t0, t0, 32
    srli    t0, t0, 52
    same    a0, t0, 194
    jalr    s4
    ld      t0, 0(s0)
    slli    t0, t0, 32
    srli    t0, t0, 52
    same    a0, t0, 195
    mv      t0, s0                      # trade
    mv      s0, s1
    mv      s1, t0
    addi    s5, s5, -1
    bnez    s5, 2b

    mv      a0, s2
    call    unmap
    mv      a0, s3
    call    unmap
    mv      a0, s4
    call    unmap
    fetch_faults s4, FETCH_PAGE_FAULT, 196
    mv      a0, s0
    call    free_page
    mv      a0, s1
    call    free_page
    leave

# teardown: every page comes back to the free list
teardown:
    enter
    csrw    satp, zero
    sfence.vma
    la      tp, process_b
    ld      t0, PROCESS_ROOT(tp)
    sd      zero, 3 * 8(t0)             # the user's code belongs to process_a
    call    destroy_process
    la      tp, process_a
    user_va a0, user_code
    call    unmap
    call    destroy_process
    la      t0, kernel_table
    ld      s0, 0(t0)
    ld      t0, 8(s0)                   # the table of GLOBAL_VA
    srli    a0, t0, 10
    slli    a0, a0, 12
    call    free_page
    mv      a0, s0
    call    free_page

    la      t0, free_list
    li      t1, 0
1:  ld      t0, 0(t0)
    beqz    t0, 2f
    addi    t1, t1, 1
    j       1b
2:  is      t1, POOL_PAGES, 200
    leave

# --- processes and their page tables ----------------------------------------------------------------------------------

# create_process(tp, a0 = ASID): an address space that holds the kernel and nothing else
create_process:
    enter
    slli    a1, a0, 44
    call    alloc_page
    sd      a0, PROCESS_ROOT(tp)
    la      t0, kernel_table
    ld      t0, 0(t0)
    make_pte t0, t0, PTE_V
    sd      t0, 2 * 8(a0)
    srli    t0, a0, 12
    or      t0, t0, a1
    li      t1, SATP_SV39
    or      t0, t0, t1
    sd      t0, PROCESS_SATP(tp)
    leave

# destroy_process(tp): frees its tables; no page may be mapped any more
destroy_process:
    addi    sp, sp, -48
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    ld      s0, PROCESS_ROOT(tp)
    li      s1, 3                       # behind the kernel
1:  slli    t0, s1, 3
    add     t0, t0, s0
    ld      s2, 0(t0)
    beqz    s2, 2f
    srli    s2, s2, 10
    slli    s2, s2, 12
    mv      a0, s2
    call    free_leaf_tables
    mv      a0, s2
    call    free_page
2:  addi    s1, s1, 1
    li      t0, 512
    bltu    s1, t0, 1b
    mv      a0, s0
    call    free_page
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    addi    sp, sp, 48
    ret

free_leaf_tables:                       # a0 = the table above them
    mv      t6, ra
    mv      a1, a0
    li      a2, 512
1:  ld      a0, 0(a1)
    beqz    a0, 3f
    srli    a0, a0, 10
    slli    a0, a0, 12
    mv      t0, a0
    li      t1, 512
2:  ld      t2, 0(t0)
    bnez    t2, leaked
    addi    t0, t0, 8
    addi    t1, t1, -1
    bnez    t1, 2b
    call    free_page
3:  addi    a1, a1, 8
    addi    a2, a2, -1
    bnez    a2, 1b
    mv      ra, t6
    ret
leaked:
    li      a0, 201
    j       finish

# switch_to(a0 = process): fences only where ASIDs are too few to tell the processes apart
switch_to:
    mv      tp, a0
    ld      t0, PROCESS_SATP(tp)
    csrw    satp, t0
    la      t0, asid_max
    ld      t0, 0(t0)
    li      t1, 2
    bgeu    t0, t1, 1f
    sfence.vma
1:  ret

# walk(a0 = address, a1 = level) -> a0 = address of its entry in tp's table of that level; tables are made as needed
walk:
    mv      t6, ra
    mv      a5, a0
    li      a3, 2
    ld      a2, PROCESS_ROOT(tp)
1:  slli    t0, a3, 3
    add     t0, t0, a3
    addi    t0, t0, 12
    srl     t0, a5, t0
    andi    t0, t0, 511
    slli    t0, t0, 3
    add     a4, a2, t0
    beq     a3, a1, 3f
    ld      t0, 0(a4)
    bnez    t0, 2f
    call    alloc_page
    make_pte t0, a0, PTE_V
    sd      t0, 0(a4)
2:  srli    a2, t0, 10
    slli    a2, a2, 12
    addi    a3, a3, -1
    j       1b
3:  mv      a0, a4
    mv      ra, t6
    ret

# map(a0 = address, a1 = frame, a2 = flags)
map:
    addi    sp, sp, -32
    sd      ra, 0(sp)
    sd      a0, 8(sp)
    srli    a1, a1, 2
    or      a1, a1, a2
    sd      a1, 16(sp)
    li      a1, 0
    call    walk
    ld      t0, 16(sp)
    sd      t0, 0(a0)
    ld      t0, 8(sp)
    sfence.vma t0
    ld      ra, 0(sp)
    addi    sp, sp, 32
    ret

# map_new_page(a0 = address): an empty page for the user
map_new_page:
    addi    sp, sp, -16
    sd      ra, 0(sp)
    sd      a0, 8(sp)
    call    alloc_page
    mv      a1, a0
    ld      a0, 8(sp)
    li      a2, USER_RW
    call    map
    ld      ra, 0(sp)
    addi    sp, sp, 16
    ret

# unmap(a0 = address) -> a0 = the frame, 0 if there was none
unmap:
    addi    sp, sp, -16
    sd      ra, 0(sp)
    sd      a0, 8(sp)
    li      a1, 0
    call    walk
    ld      t0, 0(a0)
    sd      zero, 0(a0)
    ld      t1, 8(sp)
    sfence.vma t1
    srli    a0, t0, 10
    slli    a0, a0, 12
    ld      ra, 0(sp)
    addi    sp, sp, 16
    ret

# unmap_range(a0 = address, a1 = pages): unmaps and frees
unmap_range:
    addi    sp, sp, -32
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    mv      s0, a0
    mv      s1, a1
1:  mv      a0, s0
    call    unmap
    beqz    a0, 2f
    call    free_page
2:  li      t0, PAGE_SIZE
    add     s0, s0, t0
    addi    s1, s1, -1
    bnez    s1, 1b
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    addi    sp, sp, 32
    ret

# alloc_page() -> a0 = a page of zeros. Clobbers only t0 and t1 besides.
alloc_page:
    la      t0, free_list
    ld      a0, 0(t0)
    beqz    a0, 2f
    ld      t1, 0(a0)
    sd      t1, 0(t0)
    li      t1, PAGE_SIZE
    add     t1, t1, a0
    mv      t0, a0
1:  sd      zero, 0(t0)
    sd      zero, 8(t0)
    sd      zero, 16(t0)
    sd      zero, 24(t0)
    addi    t0, t0, 32
    bltu    t0, t1, 1b
    ret
2:  li      a0, 3
    j       finish

# free_page(a0 = page)
free_page:
    la      t0, free_list
    ld      t1, 0(t0)
    sd      t1, 0(a0)
    sd      a0, 0(t0)
    ret

# copy_page(a0 = to, a1 = from)
copy_page:
    li      t1, PAGE_SIZE
    add     t1, t1, a1
1:  ld      t0, 0(a1)
    sd      t0, 0(a0)
    addi    a0, a0, 8
    addi    a1, a1, 8
    bltu    a1, t1, 1b
    ret

# --- traps ------------------------------------------------------------------------------------------------------------

# start_user(tp, a0 = label, a1, a2 = arguments): where run_user begins
start_user:
    li      t0, USER_OFFSET
    add     a0, a0, t0
    sd      a0, PROCESS_PC(tp)
    sd      a1, PROCESS_A0(tp)
    sd      a2, PROCESS_A1(tp)
    li      t0, 1
    sd      t0, PROCESS_ALIVE(tp)
    ret

# try_user(a0 = label, a1, a2 = arguments, a3 = cause, a4 = check) -> a0 = the user's a0, after the trap that must come.
# Where that is a fault, it must be at the label's first instruction and concern the address in a1.
try_user:
    addi    sp, sp, -48
    sd      ra, 0(sp)
    sd      a1, 8(sp)
    sd      a3, 16(sp)
    sd      a4, 24(sp)
    call    start_user
    sd      a0, 32(sp)
    call    run_user
    ld      t0, 16(sp)
    bne     a0, t0, 3f
    li      t1, ECALL_FROM_U
    beq     a0, t1, 2f
    ld      t2, 32(sp)
    ld      t3, 8(sp)
    li      t1, FETCH_PAGE_FAULT
    bne     a0, t1, 1f
    mv      t2, t3
1:  bne     a2, t2, 3f
    li      t1, BREAKPOINT              # stval may be 0 for these two causes
    bgeu    t1, a0, 2f
    bne     a1, t3, 3f
2:  ld      a0, PROCESS_A0(tp)
    ld      ra, 0(sp)
    addi    sp, sp, 48
    ret
3:  ld      a0, 24(sp)
    j       finish

# all but x2 and x4
    .macro each_register operation
    \operation x1, 1 * 8(tp)
    \operation x3, 3 * 8(tp)
    \operation x5, 5 * 8(tp)
    \operation x6, 6 * 8(tp)
    \operation x7, 7 * 8(tp)
    \operation x8, 8 * 8(tp)
    \operation x9, 9 * 8(tp)
    \operation x10, 10 * 8(tp)
    \operation x11, 11 * 8(tp)
    \operation x12, 12 * 8(tp)
    \operation x13, 13 * 8(tp)
    \operation x14, 14 * 8(tp)
    \operation x15, 15 * 8(tp)
    \operation x16, 16 * 8(tp)
    \operation x17, 17 * 8(tp)
    \operation x18, 18 * 8(tp)
    \operation x19, 19 * 8(tp)
    \operation x20, 20 * 8(tp)
    \operation x21, 21 * 8(tp)
    \operation x22, 22 * 8(tp)
    \operation x23, 23 * 8(tp)
    \operation x24, 24 * 8(tp)
    \operation x25, 25 * 8(tp)
    \operation x26, 26 * 8(tp)
    \operation x27, 27 * 8(tp)
    \operation x28, 28 * 8(tp)
    \operation x29, 29 * 8(tp)
    \operation x30, 30 * 8(tp)
    \operation x31, 31 * 8(tp)
    .endm

    .macro each_saved operation
    \operation ra, 0(sp)
    \operation s0, 8(sp)
    \operation s1, 16(sp)
    \operation s2, 24(sp)
    \operation s3, 32(sp)
    \operation s4, 40(sp)
    \operation s5, 48(sp)
    \operation s6, 56(sp)
    \operation s7, 64(sp)
    \operation s8, 72(sp)
    \operation s9, 80(sp)
    \operation s10, 88(sp)
    \operation s11, 96(sp)
    \operation tp, 104(sp)
    .endm

# run_user(tp) -> a0 = scause, a1 = stval, a2 = sepc: runs the process until it traps
run_user:
    addi    sp, sp, -112
    each_saved sd
    csrw    sscratch, sp
    ld      t0, PROCESS_PC(tp)
    csrw    sepc, t0
    li      t0, SSTATUS_SPP
    csrc    sstatus, t0
    each_register ld
    ld      x2, 2 * 8(tp)
    ld      x4, 4 * 8(tp)
    sret

# In U mode sscratch holds the kernel's stack, in S mode 0.
    .balign 4
trap_entry:
    csrrw   sp, sscratch, sp
    beqz    sp, trap_from_kernel
    sd      tp, -8(sp)
    ld      tp, 104(sp)
    each_register sd
    ld      t0, -8(sp)
    sd      t0, 4 * 8(tp)
    csrrw   t0, sscratch, zero
    sd      t0, 2 * 8(tp)
    csrr    a0, scause
    csrr    a1, stval
    csrr    a2, sepc
    sd      a2, PROCESS_PC(tp)
    each_saved ld
    addi    sp, sp, 112
    ret

trap_from_kernel:
    csrrw   sp, sscratch, sp
    la      t0, armed
    ld      t1, ARMED_RESUME(t0)
    beqz    t1, 2f
    csrr    t2, scause
    ld      t3, ARMED_CAUSE(t0)
    bne     t2, t3, 3f
    csrr    t3, sepc
    ld      t2, ARMED_EPC(t0)
    bne     t2, t3, 3f
    ld      t3, ARMED_CAUSE(t0)
    li      t2, BREAKPOINT              # stval may be 0 for this and an illegal instruction
    beq     t2, t3, 1f
    li      t2, ILLEGAL_INSTRUCTION
    beq     t2, t3, 1f
    csrr    t2, stval
    ld      t3, ARMED_TVAL(t0)
    bne     t2, t3, 3f
1:  csrw    sepc, t1
    sd      zero, ARMED_RESUME(t0)
    li      t2, 1
    sd      t2, ARMED_HITS(t0)
    sret
2:  li      a0, 2
    j       finish
3:  ld      a0, ARMED_CHECK(t0)
    j       finish

# arm_trap(a0 = cause, a1 = stval, a2 = sepc, a3 = where to go on, a4 = check)
arm_trap:
    la      t0, armed
    sd      a0, ARMED_CAUSE(t0)
    sd      a1, ARMED_TVAL(t0)
    sd      a2, ARMED_EPC(t0)
    sd      a4, ARMED_CHECK(t0)
    sd      zero, ARMED_HITS(t0)
    sd      a3, ARMED_RESUME(t0)
    ret

# must_have_trapped(): as armed
must_have_trapped:
    la      t0, armed
    ld      t1, ARMED_HITS(t0)
    beqz    t1, 1f
    ret
1:  ld      a0, ARMED_CHECK(t0)
    j       finish

# disarm() -> a0 = 1 if the trap came, 0 if not
disarm:
    la      t0, armed
    sd      zero, ARMED_RESUME(t0)
    ld      a0, ARMED_HITS(t0)
    ret

# --- console and end --------------------------------------------------------------------------------------------------

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

# --- the user's page: position-independent, each entry with its arguments in a0 and a1 --------------------------------

    .balign 4096
user_code:
user_fill:                              # a0 = address, a1 = pages: each gets its address, 8 bytes further on each time
    li      t0, PAGE_SIZE + 8
user_fill_store:
    sd      a0, 0(a0)
    add     a0, a0, t0
    addi    a1, a1, -1
    bnez    a1, user_fill_store
    j       user_exit

user_verify:                            # the same pages -> a0 = 0 if all is there
    li      t0, PAGE_SIZE + 8
    li      t2, 0                       # what was read, taken together
    li      t3, 0                       # how it differs
user_verify_load:
    ld      t1, 0(a0)
    or      t2, t2, t1
    xor     t1, t1, a0
    or      t3, t3, t1
    add     a0, a0, t0
    addi    a1, a1, -1
    bnez    a1, user_verify_load
    mv      a0, t3
    j       user_exit

user_load:
    ld      a0, 0(a0)
    j       user_exit
user_store:
    sd      a1, 0(a0)
    j       user_exit
user_amo:
    amoadd.d a0, a1, (a0)
    j       user_exit
user_jump:
    jalr    a0
    j       user_exit
user_break:
    ebreak
user_csr:
    csrr    a0, sstatus
user_fence:
    sfence.vma
user_sret:
    sret
user_arguments:
    add     a0, a0, a1
    li      a7, 17
    ecall

user_touch:                             # a0 = address, a1 = masks: pages to read in bits 31:16, to write in bits 15:0
    li      t0, 16
1:  srli    t1, a1, 16
    andi    t1, t1, 1
    beqz    t1, 2f
    lb      t1, 0(a0)
2:  andi    t1, a1, 1
    beqz    t1, 3f
    sb      t0, 8(a0)
3:  li      t1, PAGE_SIZE
    add     a0, a0, t1
    srli    a1, a1, 1
    addi    t0, t0, -1
    bnez    t0, 1b
    j       user_exit

# user_churn(a0 = heap, a1 = seed): visits pages at random, checks and renews what it left there, gives some back. The
# first page is its ledger. -> a0 = 0, or 1 if a page did not hold what the ledger says.
user_churn:
    mv      s0, a0
    mv      s1, a1
    li      s2, CHURN_STEPS
1:  slli    t0, s1, 13                  # xorshift64
    xor     s1, s1, t0
    srli    t0, s1, 7
    xor     s1, s1, t0
    slli    t0, s1, 17
    xor     s1, s1, t0
    li      t0, CHURN_PAGES - 1
    remu    t1, s1, t0
    addi    t1, t1, 1
    slli    t2, t1, 3
    add     t2, t2, s0                  # its line in the ledger
    slli    t3, t1, 12
    li      t4, 72
    mul     t4, t4, t1
    add     t3, t3, t4
    add     t3, t3, s0                  # its word
    ld      t4, 0(t2)
    ld      t5, 0(t3)
    li      a0, 1
    bne     t4, t5, user_exit
    srli    t4, s1, 40
    andi    t4, t4, 7
    li      t5, SYS_YIELD
    beq     t4, t5, 2f
    bltu    t5, t4, 3f
    sd      zero, 0(t2)                 # once in 8 steps: given back
    mv      a0, t3
    li      a7, SYS_UNMAP
    ecall
    j       4f
2:  li      a7, SYS_YIELD
    ecall
    j       4f
3:  sd      s1, 0(t3)
    sd      s1, 0(t2)
4:  addi    s2, s2, -1
    bnez    s2, 1b
    li      a0, 0
user_exit:
    li      a7, SYS_EXIT
    ecall
    .balign 4096

    .section .rodata
boot_name:
    .string "boot\n"
demand_paging_name:
    .string "demand paging\n"
remap_name:
    .string "remap\n"
permissions_name:
    .string "permissions\n"
copy_on_write_name:
    .string "copy on write\n"
malformed_name:
    .string "malformed\n"
megapages_name:
    .string "megapages\n"
flood_name:
    .string "flood\n"
address_spaces_name:
    .string "address spaces\n"
processes_name:
    .string "processes\n"
accessed_dirty_name:
    .string "accessed and dirty\n"
privilege_name:
    .string "privilege\n"
code_name:
    .string "code\n"
teardown_name:
    .string "teardown\n"

    .balign 8
malformed_bits:                         # flipped in a PTE with V R W X A D
    .dword PTE_V
    .dword PTE_R                        # W and X
    .dword PTE_R + PTE_X                # W alone
    .dword PTE_R + PTE_W + PTE_X        # a pointer, and no level below
    .dword 1 << 54                      # reserved
    .dword 1 << 57
    .dword 1 << 60
    .dword 1 << 61                      # PBMT, without Svpbmt
    .dword 2 << 61
    .dword 1 << 63                      # N, without Svnapot
malformed_bits_end:

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
    .option push
    .option norvc
snippet:                                # one double word of code, which returns 7
    li      a0, 7
    ret
    .option pop
landmark:
    .dword 0
free_list:                              # through the first word of each free page
    .dword 0
kernel_table:
    .dword 0
asid_max:
    .dword 0
armed:
    .zero 48
process_a:
    .zero PROCESS_SIZE
process_b:
    .zero PROCESS_SIZE

    .bss
    .balign 4096
kernel_stack:
    .zero PAGE_SIZE
kernel_stack_end:
pool:
    .zero POOL_PAGES * PAGE_SIZE
pool_end:
