	.file	"compress.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	addi	sp,sp,-112
	lla	t1,text
	sd	s6,56(sp)
	sd	s0,104(sp)
	sd	s1,96(sp)
	sd	s2,88(sp)
	sd	s3,80(sp)
	sd	s4,72(sp)
	sd	s5,64(sp)
	sd	s7,48(sp)
	sd	s8,40(sp)
	sd	s9,32(sp)
	sd	s10,24(sp)
	sd	s11,16(sp)
	mv	s6,a0
	mv	a1,t1
	li	a3,0
	li	a4,5
	ld	t5,.LC0
	ld	t4,.LC1
	li	t3,64
	li	a7,1
	li	a6,32768
	j	.L7
.L37:
	lbu	a5,-1(a5)
	addi	a3,a3,1
	addi	a1,a1,1
	sb	a5,-1(a1)
	beq	a3,a6,.L36
.L7:
	mul	a4,a4,t5
	add	a4,a4,t4
	srli	a5,a4,40
	andi	a5,a5,63
	sub	a5,a3,a5
	srli	a0,a4,60
	add	a5,t1,a5
	srli	a2,a4,33
	ble	a3,t3,.L2
	bgtu	a0,a7,.L37
	andi	a5,a2,127
	sb	a5,0(a1)
	addi	a3,a3,1
	addi	a1,a1,1
	bne	a3,a6,.L7
.L36:
	beq	s6,zero,.L26
	li	a5,77
	mul	s6,s6,a5
	li	a0,32768
	li	s3,-1640529920
	li	a7,0
	li	t4,0
	li	a4,0
	lla	s4,last
	lla	t2,packed
	lla	s1,again
	lla	a1,last+16384
	li	a2,-1
	addi	s0,a0,-4
	addiw	s3,s3,-1615
	li	t0,130
	li	s5,3
	lla	s2,again+1
	li	s7,-32768
	add	a3,t1,a0
	addi	s8,a0,-1
	mv	a6,s6
.L9:
	lla	a5,last
.L10:
	sw	a2,0(a5)
	addi	a5,a5,4
	bne	a5,a1,.L10
	li	s10,0
	li	t5,0
.L21:
	ble	t5,s0,.L38
	add	a5,t1,t5
	lbu	t3,0(a5)
	add	a5,t2,s10
	addi	t5,t5,1
	sb	t3,0(a5)
	addi	s10,s10,1
	blt	t5,a0,.L21
.L40:
	li	a5,0
	li	s9,0
	mv	s11,t4
.L20:
	add	t4,t2,s9
	lbu	t6,0(t4)
	addi	t3,s9,1
	slliw	t5,t6,24
	sraiw	t5,t5,24
	blt	t5,zero,.L22
	add	t4,s1,a5
	sb	t6,0(t4)
	mv	s9,t3
	addi	a5,a5,1
	blt	s9,s10,.L20
.L39:
	add	a5,a5,s7
	mv	t4,s11
	seqz	t6,a5
	lla	t5,again
	mv	t3,t1
.L25:
	lbu	a5,0(t3)
	lbu	s6,0(t5)
	addi	t3,t3,1
	addi	t5,t5,1
	sub	a5,a5,s6
	seqz	a5,a5
	and	t6,t6,a5
	bne	t3,a3,.L25
	slli	a5,a4,5
	and	t3,t4,s8
	sub	a5,a5,a4
	andi	t5,a7,127
	add	a4,t1,t3
	add	a5,a5,s10
	addiw	a7,a7,5
	sb	t5,0(a4)
	addi	t4,t4,77
	add	a4,t6,a5
	andi	a7,a7,0xff
	bne	t4,a6,.L9
.L1:
	ld	s0,104(sp)
	ld	s1,96(sp)
	ld	s2,88(sp)
	ld	s3,80(sp)
	ld	s4,72(sp)
	ld	s5,64(sp)
	ld	s6,56(sp)
	ld	s7,48(sp)
	ld	s8,40(sp)
	ld	s9,32(sp)
	ld	s10,24(sp)
	ld	s11,16(sp)
	mv	a0,a4
	addi	sp,sp,112
	jr	ra
.L22:
	lbu	t5,2(t4)
	add	t3,t2,t3
	lbu	t3,0(t3)
	addiw	s6,t6,-125
	slliw	t5,t5,8
	or	t5,t5,t3
	slli	s6,s6,32
	sext.w	t5,t5
	srli	s6,s6,32
	sub	t5,a5,t5
	add	s6,s2,s6
	addi	s9,s9,3
	sext.w	t6,t6
	add	t3,s1,t5
	add	s6,s6,t5
	sd	s10,8(sp)
.L24:
	lbu	s10,0(t3)
	sub	t4,t3,t5
	add	t4,t4,a5
	sb	s10,0(t4)
	addi	t3,t3,1
	bne	s6,t3,.L24
	ld	s10,8(sp)
	addi	a5,a5,1
	addiw	t6,t6,-125
	add	a5,t6,a5
	blt	s9,s10,.L20
	j	.L39
.L38:
	add	s6,t1,t5
	lbu	s9,1(s6)
	lbu	t3,0(s6)
	lbu	t6,2(s6)
	lbu	a5,3(s6)
	slli	s9,s9,8
	or	s9,s9,t3
	slli	t6,t6,16
	or	t6,t6,s9
	slli	a5,a5,24
	or	a5,a5,t6
	mulw	a5,a5,s3
	srliw	a5,a5,20
	slli	a5,a5,2
	add	a5,s4,a5
	lw	s9,0(a5)
	sw	t5,0(a5)
	blt	s9,zero,.L12
	sub	s11,a0,t5
	li	a5,0
	j	.L13
.L16:
	addi	a5,a5,1
	beq	s11,a5,.L14
	beq	a5,t0,.L15
.L13:
	add	t6,s9,a5
	add	t3,s6,a5
	add	t6,t1,t6
	lbu	t6,0(t6)
	lbu	t3,0(t3)
	beq	t6,t3,.L16
.L14:
	bgt	a5,s5,.L15
	add	a5,t1,t5
	lbu	t3,0(a5)
	add	a5,t2,s10
	addi	t5,t5,1
	sb	t3,0(a5)
	addi	s10,s10,1
	j	.L21
.L15:
	add	s6,t2,s10
	subw	s11,t5,s9
	sub	t6,t5,s9
	addi	t3,s10,2
	addiw	s9,a5,124
	sb	s9,0(s6)
	sb	s11,1(s6)
	add	t3,t2,t3
	srai	t6,t6,8
	sb	t6,0(t3)
	add	t5,t5,a5
	addi	s10,s10,3
	blt	t5,a0,.L21
	j	.L40
.L12:
	add	a5,t2,s10
	sb	t3,0(a5)
	addi	t5,t5,1
	addi	s10,s10,1
	j	.L21
.L2:
	srli	a5,a4,33
	andi	a5,a5,127
	sb	a5,0(a1)
	addi	a3,a3,1
	addi	a1,a1,1
	j	.L7
.L26:
	li	a4,0
	j	.L1
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
	.type	last, @object
	.size	last, 16384
last:
	.zero	16384
	.type	again, @object
	.size	again, 32768
again:
	.zero	32768
	.type	packed, @object
	.size	packed, 65536
packed:
	.zero	65536
	.type	text, @object
	.size	text, 32768
text:
	.zero	32768
