	.file	"queens.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.type	place.constprop.0, @function
place.constprop.0:
	addi	sp,sp,-48
	sd	s4,0(sp)
	sd	ra,40(sp)
	sd	s0,32(sp)
	sd	s1,24(sp)
	sd	s2,16(sp)
	sd	s3,8(sp)
	li	a5,511
	li	s4,1
	beq	a0,a5,.L1
	or	s0,a1,a2
	or	s0,s0,a0
	not	s0,s0
	andi	s0,s0,511
	mv	s1,a0
	mv	s3,a1
	mv	s2,a2
	li	s4,0
	beq	s0,zero,.L1
.L3:
	negw	a0,s0
	and	a0,s0,a0
	sext.w	a0,a0
	or	a1,a0,s3
	or	a2,s2,a0
	slliw	a1,a1,1
	srliw	a2,a2,1
	or	a0,a0,s1
	call	place.constprop.0
	addiw	a5,s0,-1
	and	s0,s0,a5
	sext.w	s0,s0
	add	s4,s4,a0
	bne	s0,zero,.L3
.L1:
	ld	ra,40(sp)
	ld	s0,32(sp)
	ld	s1,24(sp)
	ld	s2,16(sp)
	ld	s3,8(sp)
	mv	a0,s4
	ld	s4,0(sp)
	addi	sp,sp,48
	jr	ra
	.size	place.constprop.0, .-place.constprop.0
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	beq	a0,zero,.L14
	addi	sp,sp,-64
	sd	s3,24(sp)
	sd	s4,16(sp)
	sd	ra,56(sp)
	mv	s4,a0
	sd	s0,48(sp)
	sd	s1,40(sp)
	sd	s2,32(sp)
	sd	s5,8(sp)
	li	s3,0
	li	a0,0
.L13:
	slli	a5,a0,1
	add	s5,a5,a0
	li	s1,9
	li	s2,0
	li	s0,511
.L12:
	negw	a0,s0
	and	a0,s0,a0
	slliw	a1,a0,1
	srliw	a2,a0,1
	sext.w	a0,a0
	call	place.constprop.0
	addiw	a5,s0,-1
	and	s0,s0,a5
	addiw	s1,s1,-1
	add	s2,s2,a0
	sext.w	s0,s0
	bne	s1,zero,.L12
	addi	s3,s3,1
	add	a0,s5,s2
	bne	s4,s3,.L13
	ld	ra,56(sp)
	ld	s0,48(sp)
	ld	s1,40(sp)
	ld	s2,32(sp)
	ld	s3,24(sp)
	ld	s4,16(sp)
	ld	s5,8(sp)
	addi	sp,sp,64
	jr	ra
.L14:
	li	a0,0
	ret
	.size	bench, .-bench
