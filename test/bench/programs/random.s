	.file	"random.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	srli	a1,a1,12
	mv	a6,a0
	li	a0,9
	addi	a1,a1,-1
	li	a3,0
	li	a4,0
	slli	a0,a0,28
.L2:
	andi	a2,a3,511
	slli	a5,a4,9
	add	a5,a5,a2
	slli	a5,a5,3
	add	a5,a0,a5
	sd	a4,0(a5)
	addi	a4,a4,1
	addi	a3,a3,9
	bgeu	a1,a4,.L2
	beq	a6,zero,.L5
	li	a7,9
	li	a2,0
	li	a0,0
	li	a3,1
	ld	t3,.LC0
	ld	t1,.LC1
	slli	a7,a7,28
.L4:
	mul	a3,a3,t3
	addi	a2,a2,1
	add	a3,a3,t1
	srli	a4,a3,33
	and	a4,a4,a1
	slli	a5,a4,3
	add	a5,a5,a4
	andi	a5,a5,511
	slli	a4,a4,9
	add	a5,a5,a4
	slli	a5,a5,3
	add	a5,a5,a7
	ld	a4,0(a5)
	add	a0,a0,a4
	sd	a0,0(a5)
	bne	a6,a2,.L4
	ret
.L5:
	li	a0,0
	ret
	.size	bench, .-bench
	.section	.srodata.cst8,"aM",@progbits,8
	.align	3
.LC0:
	.dword	6364136223846793005
	.align	3
.LC1:
	.dword	1442695040888963407
