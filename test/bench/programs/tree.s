	.file	"tree.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.type	insert, @function
insert:
	beq	a0,zero,.L11
	lw	a4,16(a0)
	addi	sp,sp,-16
	sd	s0,0(sp)
	sd	ra,8(sp)
	mv	s0,a0
	bgtu	a4,a1,.L12
	ld	a0,8(a0)
	call	insert
	lw	a4,20(a0)
	lw	a5,20(s0)
	sd	a0,8(s0)
	bleu	a4,a5,.L6
	ld	a5,0(a0)
	ld	ra,8(sp)
	sd	a5,8(s0)
	sd	s0,0(a0)
	ld	s0,0(sp)
	addi	sp,sp,16
	jr	ra
.L12:
	ld	a0,0(a0)
	call	insert
	lw	a4,20(a0)
	lw	a5,20(s0)
	sd	a0,0(s0)
	bleu	a4,a5,.L6
	ld	a5,8(a0)
	ld	ra,8(sp)
	sd	a5,0(s0)
	sd	s0,8(a0)
	ld	s0,0(sp)
	addi	sp,sp,16
	jr	ra
.L6:
	ld	ra,8(sp)
	mv	a0,s0
	ld	s0,0(sp)
	addi	sp,sp,16
	jr	ra
.L11:
	lla	a7,used
	ld	a3,0(a7)
	slli	a1,a1,32
	lla	a6,nodes
	slli	a4,a3,1
	add	a4,a4,a3
	slli	a2,a2,32
	slli	a4,a4,3
	srli	a1,a1,32
	add	a0,a4,a6
	addi	a3,a3,1
	or	a1,a1,a2
	sd	zero,8(a0)
	sd	zero,0(a0)
	sd	a3,0(a7)
	sd	a1,16(a0)
	ret
	.size	insert, .-insert
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	addi	sp,sp,-64
	sd	ra,56(sp)
	sd	s0,48(sp)
	sd	s1,40(sp)
	sd	s2,32(sp)
	sd	s3,24(sp)
	sd	s4,16(sp)
	sd	s5,8(sp)
	sd	s6,0(sp)
	beq	a0,zero,.L22
	mv	s2,a0
	li	s3,0
	li	s1,0
	li	s0,11
	ld	s6,.LC0
	ld	s5,.LC1
.L21:
	sd	zero,used,a5
	li	s4,8192
	li	a0,0
.L15:
	mul	s0,s0,s6
	addi	s4,s4,-1
	add	s0,s0,s5
	srli	a2,s0,11
	sext.w	a2,a2
	srai	a1,s0,32
	call	insert
	bne	s4,zero,.L15
	li	a1,8192
.L20:
	mul	s0,s0,s6
	slli	a5,s1,5
	sub	s1,a5,s1
	add	s0,s0,s5
	srai	a3,s0,32
	beq	a0,zero,.L16
	mv	a5,a0
	li	a2,0
.L19:
	lw	a4,16(a5)
	bltu	a4,a3,.L17
	mv	a2,a5
	ld	a5,0(a5)
	bne	a5,zero,.L19
.L34:
	beq	a2,zero,.L16
	lwu	a5,16(a2)
	add	s1,s1,a5
.L16:
	addi	a1,a1,-1
	bne	a1,zero,.L20
	addi	s3,s3,1
	bne	s2,s3,.L21
.L13:
	ld	ra,56(sp)
	ld	s0,48(sp)
	ld	s2,32(sp)
	ld	s3,24(sp)
	ld	s4,16(sp)
	ld	s5,8(sp)
	ld	s6,0(sp)
	mv	a0,s1
	ld	s1,40(sp)
	addi	sp,sp,64
	jr	ra
.L17:
	ld	a5,8(a5)
	bne	a5,zero,.L19
	j	.L34
.L22:
	li	s1,0
	j	.L13
	.size	bench, .-bench
	.section	.srodata.cst8,"aM",@progbits,8
	.align	3
.LC0:
	.dword	6364136223846793005
	.align	3
.LC1:
	.dword	1442695040888963407
	.bss
	.align	3
	.type	nodes, @object
	.size	nodes, 196608
nodes:
	.zero	196608
	.section	.sbss,"aw",@nobits
	.align	3
	.type	used, @object
	.size	used, 8
used:
	.zero	8
