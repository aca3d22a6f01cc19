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
	srli	a1,a1,3
	li	a4,9
	mv	a6,a0
	addi	a1,a1,-1
	slli	a4,a4,28
	li	a5,0
	li	a3,4096
.L2:
	sd	a5,0(a4)
	addi	a5,a5,512
	add	a4,a4,a3
	bgeu	a1,a5,.L2
	beq	a6,zero,.L5
	li	a7,9
	li	a3,0
	li	a0,0
	li	a4,1
	ld	t3,.LC0
	ld	t1,.LC1
	slli	a7,a7,28
.L4:
	mul	a4,a4,t3
	addi	a3,a3,1
	add	a4,a4,t1
	srli	a5,a4,30
	and	a5,a5,a1
	slli	a5,a5,3
	add	a5,a5,a7
	ld	a2,0(a5)
	add	a0,a0,a2
	sd	a0,0(a5)
	bne	a6,a3,.L4
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
