	.file	"sieve.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	mv	t5,a0
	beq	a0,zero,.L18
	li	t4,0
	li	a0,0
	lla	t6,composite+2
	lla	t3,composite
	lla	a3,composite+1048576
	li	a7,1
	li	a6,1048576
.L2:
	lla	a5,composite
.L4:
	sd	zero,0(a5)
	addi	a5,a5,8
	bne	a5,a3,.L4
	lbu	a4,0(t6)
	lla	a5,composite+2
	mv	t1,a5
	li	a2,2
	beq	a4,zero,.L19
.L8:
	addi	a2,a2,1
	mul	a4,a2,a2
	addi	t1,t1,1
	bge	a4,a6,.L7
.L20:
	lbu	a1,0(t1)
	bne	a1,zero,.L8
.L9:
	add	a1,a4,t3
.L6:
	sb	a7,0(a1)
	add	a4,a4,a2
	add	a1,a1,a2
	blt	a4,a6,.L6
	addi	a2,a2,1
	mul	a4,a2,a2
	addi	t1,t1,1
	blt	a4,a6,.L20
.L7:
	lbu	a4,0(a5)
	addi	a5,a5,1
	seqz	a4,a4
	add	a0,a0,a4
	bne	a5,a3,.L7
	addi	t4,t4,1
	bne	t5,t4,.L2
	ret
.L19:
	li	a4,4
	j	.L9
.L18:
	li	a0,0
	ret
	.size	bench, .-bench
	.bss
	.align	3
	.type	composite, @object
	.size	composite, 1048576
composite:
	.zero	1048576
