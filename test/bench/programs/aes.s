	.file	"aes.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	addi	sp,sp,-160
	lla	t1,.LANCHOR0
	sd	s0,152(sp)
	sd	s1,144(sp)
	sd	s2,136(sp)
	sd	s3,128(sp)
	sd	s4,120(sp)
	sd	s5,112(sp)
	sd	s6,104(sp)
	sd	s7,96(sp)
	sd	s8,88(sp)
	sd	s9,80(sp)
	sd	s10,72(sp)
	sd	s11,64(sp)
	mv	a7,a0
	mv	t6,t1
	li	t5,0
	li	t2,256
	li	t0,99
.L2:
	andi	t4,t5,0xff
	li	a0,254
	li	a1,1
	beq	t5,zero,.L3
.L6:
	mv	a4,a1
	mv	a3,t4
	li	a1,0
.L5:
	srliw	a2,a4,7
	slliw	a5,a2,3
	subw	a5,a5,a2
	slliw	a5,a5,2
	slliw	t3,a4,1
	subw	a5,a5,a2
	srliw	a6,a3,1
	andi	a2,a3,1
	xor	a5,a5,t3
	andi	a3,a6,0xff
	xor	a4,a4,a1
	beq	a2,zero,.L4
	andi	a1,a4,0xff
.L4:
	andi	a4,a5,0xff
	bne	a3,zero,.L5
	addiw	a0,a0,-1
	bne	a0,zero,.L6
	srliw	a3,a1,4
	slliw	a5,a1,1
	srliw	a2,a1,7
	slliw	a4,a1,4
	or	a4,a4,a3
	or	a5,a5,a2
	xor	a5,a5,a4
	slliw	a3,a1,2
	srliw	a4,a1,6
	xor	a5,a5,a1
	or	a3,a3,a4
	slliw	a4,a1,3
	srliw	a1,a1,5
	xor	a5,a5,a3
	or	a4,a4,a1
	xor	a5,a5,a4
	xori	a5,a5,99
	sb	a5,0(t6)
	addiw	t5,t5,1
	addi	t6,t6,1
	bne	t5,t2,.L2
	ld	a5,.LC0
	lla	s2,.LANCHOR0+272
	sd	a5,256(t1)
	li	t3,16
	ld	a5,.LC1
	li	a6,-65536
	li	a0,-16711680
	li	a1,16777216
	sd	a5,264(t1)
	lla	t5,.LANCHOR0+432
	mv	a2,s2
	li	a3,1
	addi	t4,sp,52
	subw	t3,t3,s2
	addi	a6,a6,255
	addi	a0,a0,-1
	addi	a1,a1,-1
.L13:
	lw	a4,-4(a2)
	addw	a5,t3,a2
	andi	a5,a5,15
	sw	a4,48(sp)
	bne	a5,zero,.L11
	srliw	a5,a4,8
	srliw	t6,a4,16
	andi	a5,a5,0xff
	add	a5,t1,a5
	andi	t6,t6,0xff
	add	t6,t1,t6
	lbu	a5,0(a5)
	lbu	s0,0(t6)
	srliw	t6,a4,24
	add	t6,t1,t6
	lbu	t2,0(t6)
	xor	a5,a3,a5
	andi	a4,a4,0xff
	srliw	t0,a3,7
	add	a4,t1,a4
	slliw	s0,s0,8
	and	a5,a5,a6
	lbu	t6,0(a4)
	or	a5,a5,s0
	slliw	a4,t0,3
	slliw	t2,t2,16
	and	a5,a5,a0
	subw	a4,a4,t0
	or	a5,a5,t2
	slliw	a4,a4,2
	slliw	a3,a3,1
	slliw	t6,t6,24
	and	a5,a5,a1
	subw	a4,a4,t0
	or	a5,a5,t6
	xor	a4,a4,a3
	sw	a5,48(sp)
	andi	a3,a4,0xff
.L11:
	addi	a4,sp,48
	mv	a5,a2
.L12:
	lbu	t6,-16(a5)
	lbu	t0,0(a4)
	addi	a5,a5,1
	addi	a4,a4,1
	xor	t6,t6,t0
	sb	t6,-1(a5)
	bne	t4,a4,.L12
	addi	a2,a2,4
	bne	t5,a2,.L13
	beq	a7,zero,.L24
	ld	t3,264(t1)
	li	s0,-16711680
	addi	a5,s0,-1
	ld	t4,256(t1)
	li	s1,-65536
	sd	a5,0(sp)
	li	a5,16777216
	li	a2,0
	li	a3,0
	addi	s1,s1,255
	addi	s5,a5,-1
	li	t6,16
	li	a0,10
	li	t2,5
	li	s7,11
	addi	s8,sp,48
	mv	a1,t3
.L23:
	srli	a6,a2,8
	andi	a5,a2,0xff
	ld	s0,0(sp)
	andi	a6,a6,0xff
	srli	a4,a2,16
	slliw	a6,a6,8
	and	a5,a5,s1
	or	a5,a5,a6
	andi	a4,a4,0xff
	slliw	a4,a4,16
	and	a5,a5,s0
	or	a5,a5,a4
	srliw	a4,a2,24
	slliw	a4,a4,24
	and	a5,a5,s5
	or	a5,a5,a4
	sw	zero,36(sp)
	sw	a5,32(sp)
	ld	a5,32(sp)
	mv	t0,a2
	sd	a1,40(sp)
	xor	a5,t4,a5
	mv	a4,s2
	sd	a5,32(sp)
	li	s6,1
	mv	a2,t4
	mv	t3,a1
.L15:
	addi	t4,sp,48
	mv	a6,t4
	li	a1,0
.L16:
	andi	a5,a1,3
	slliw	a5,a5,2
	addw	a5,a5,a1
	andi	a5,a5,15
	addi	a5,a5,32
	addi	s0,sp,32
	add	a5,a5,s0
	lbu	a5,-32(a5)
	addi	a6,a6,1
	addiw	a1,a1,1
	add	a5,t1,a5
	lbu	a5,0(a5)
	sb	a5,-1(a6)
	bne	a1,t6,.L16
	mv	s9,s0
	mv	s4,a4
	li	s3,0
	sd	t0,8(sp)
	sd	a2,16(sp)
	sd	s0,24(sp)
.L20:
	lbu	a6,0(t4)
	lbu	a5,1(t4)
	lbu	t5,2(t4)
	lbu	a1,3(t4)
	xor	a5,a6,a5
	xor	t5,t5,a5
	xor	t5,t5,a1
	li	a1,1
	j	.L19
.L17:
	lbu	a6,-1(t0)
	xor	a5,a5,a6
	sb	a5,-1(s10)
	beq	a1,t2,.L18
.L42:
	lbu	a6,-1(s11)
	lbu	a5,-16(a2)
	xor	a5,a6,a5
.L19:
	andi	a5,a5,0xff
	srliw	s11,a5,7
	slliw	a2,s11,3
	subw	a2,a2,s11
	slliw	a2,a2,2
	xor	s10,t5,a6
	subw	a2,a2,s11
	xor	a2,s10,a2
	add	t0,s4,a1
	slliw	a5,a5,1
	add	s10,s9,a1
	addi	a1,a1,1
	xor	a5,a2,a5
	andi	a2,a1,3
	addw	a2,a2,s3
	addi	a2,a2,32
	addi	s0,sp,32
	add	s11,t4,a1
	add	a2,a2,s0
	andi	a5,a5,0xff
	bne	s6,a0,.L17
	mv	a5,a6
	lbu	a6,-1(t0)
	xor	a5,a5,a6
	sb	a5,-1(s10)
	bne	a1,t2,.L42
.L18:
	addiw	s3,s3,4
	addi	t4,t4,4
	addi	s4,s4,4
	addi	s9,s9,4
	bne	s3,t6,.L20
	addiw	s6,s6,1
	ld	t0,8(sp)
	ld	a2,16(sp)
	ld	a6,24(sp)
	addi	a4,a4,16
	bne	s6,s7,.L15
	mv	t4,a2
	mv	a1,t3
	mv	a2,t0
.L22:
	lbu	a5,0(a6)
	slli	a4,a3,5
	sub	a3,a4,a3
	addi	a6,a6,1
	add	a3,a5,a3
	bne	s8,a6,.L22
	addi	a2,a2,1
	bne	a7,a2,.L23
.L1:
	ld	s0,152(sp)
	ld	s1,144(sp)
	ld	s2,136(sp)
	ld	s3,128(sp)
	ld	s4,120(sp)
	ld	s5,112(sp)
	ld	s6,104(sp)
	ld	s7,96(sp)
	ld	s8,88(sp)
	ld	s9,80(sp)
	ld	s10,72(sp)
	ld	s11,64(sp)
	mv	a0,a3
	addi	sp,sp,160
	jr	ra
.L3:
	addiw	a0,a0,-1
	bne	a0,zero,.L3
	sb	t0,0(t6)
	li	t5,1
	addi	t6,t6,1
	j	.L2
.L24:
	li	a3,0
	j	.L1
	.size	bench, .-bench
	.section	.srodata.cst8,"aM",@progbits,8
	.align	3
.LC0:
	.dword	7381154020048183393
	.align	3
.LC1:
	.dword	7310601557483335968
	.bss
	.align	3
	.set	.LANCHOR0,. + 0
	.type	sbox, @object
	.size	sbox, 256
sbox:
	.zero	256
	.type	keys, @object
	.size	keys, 176
keys:
	.zero	176
