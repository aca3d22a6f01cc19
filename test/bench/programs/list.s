	.file	"list.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.type	sort, @function
sort:
	beq	a0,zero,.L11
	ld	a5,0(a0)
	beq	a5,zero,.L21
	addi	sp,sp,-32
	sd	s0,16(sp)
	sd	ra,24(sp)
	mv	s0,a5
	mv	a3,a0
	j	.L3
.L5:
	ld	a4,0(s0)
	ld	a5,0(a5)
	mv	a3,s0
	mv	s0,a4
	beq	a5,zero,.L4
.L3:
	ld	a5,0(a5)
	bne	a5,zero,.L5
.L4:
	sd	zero,0(a3)
	call	sort
	mv	a5,a0
	mv	a0,s0
	mv	s0,a5
	call	sort
	beq	s0,zero,.L14
	beq	a0,zero,.L15
	ld	a2,8(s0)
	ld	a3,8(a0)
	mv	a5,sp
.L10:
	bgt	a2,a3,.L8
.L25:
	sd	s0,0(a5)
	ld	a4,0(s0)
	mv	a5,s0
	beq	a4,zero,.L6
	ld	a2,8(a4)
	mv	s0,a4
	ble	a2,a3,.L25
.L8:
	sd	a0,0(a5)
	ld	a4,0(a0)
	mv	a5,a0
	beq	a4,zero,.L7
	ld	a3,8(a4)
	mv	a0,a4
	j	.L10
.L15:
	mv	a0,sp
.L7:
	mv	a5,a0
	mv	a0,s0
	mv	s0,a5
.L6:
	sd	a0,0(s0)
	ld	ra,24(sp)
	ld	s0,16(sp)
	ld	a0,0(sp)
	addi	sp,sp,32
	jr	ra
.L21:
	ret
.L11:
	li	a0,0
	ret
.L14:
	mv	s0,sp
	j	.L6
	.size	sort, .-sort
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	addi	sp,sp,-112
	sd	s11,8(sp)
	sd	ra,104(sp)
	sd	s0,96(sp)
	sd	s1,88(sp)
	sd	s2,80(sp)
	sd	s3,72(sp)
	sd	s4,64(sp)
	sd	s5,56(sp)
	sd	s6,48(sp)
	sd	s7,40(sp)
	sd	s8,32(sp)
	sd	s9,24(sp)
	sd	s10,16(sp)
	li	s11,0
	beq	a0,zero,.L26
	li	s8,16384
	li	s2,4096
	addi	s4,s8,-1
	mv	s1,a0
	li	s10,0
	li	s11,0
	li	s0,7
	lla	s7,nodes
	ld	s6,.LC0
	ld	s5,.LC1
	lla	s9,nodes+256264
	addi	s2,s2,1
	li	s3,67125248
	addi	s8,s8,-368
.L27:
	li	a5,0
	li	a0,0
.L29:
	mul	s0,s0,s6
	and	a4,a5,s4
	slli	a4,a4,4
	mv	a3,a0
	add	a0,s7,a4
	sd	a3,0(a0)
	add	a5,a5,s2
	add	s0,s0,s5
	srli	a4,s0,40
	sd	a4,8(a0)
	bne	a5,s3,.L29
	call	sort
	beq	a0,zero,.L30
	li	a4,0
	j	.L31
.L38:
	mv	a0,a5
.L31:
	ld	a5,0(a0)
	sd	a4,0(a0)
	mv	a4,a0
	bne	a5,zero,.L38
.L30:
	lla	a2,nodes+8
.L36:
	slli	a1,s11,5
	ld	a3,0(a2)
	sub	a1,a1,s11
	mv	a5,a0
	bne	a0,zero,.L32
	j	.L40
.L34:
	ld	a5,0(a5)
	beq	a5,zero,.L40
.L32:
	ld	a4,8(a5)
	bne	a3,a4,.L34
	add	a2,a2,s8
	add	s11,a1,a3
	bne	a2,s9,.L36
.L49:
	addi	s10,s10,1
	bne	s1,s10,.L27
.L26:
	ld	ra,104(sp)
	ld	s0,96(sp)
	ld	s1,88(sp)
	ld	s2,80(sp)
	ld	s3,72(sp)
	ld	s4,64(sp)
	ld	s5,56(sp)
	ld	s6,48(sp)
	ld	s7,40(sp)
	ld	s8,32(sp)
	ld	s9,24(sp)
	ld	s10,16(sp)
	mv	a0,s11
	ld	s11,8(sp)
	addi	sp,sp,112
	jr	ra
.L40:
	li	a3,-1
	add	a2,a2,s8
	add	s11,a1,a3
	bne	a2,s9,.L36
	j	.L49
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
	.size	nodes, 262144
nodes:
	.zero	262144
