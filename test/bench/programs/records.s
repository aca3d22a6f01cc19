	.file	"records.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.section	.rodata.str1.8,"aMS",@progbits,1
	.align	3
.LC0:
	.string	"SOME PROGRAM, 12'TH STRING"
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	addi	sp,sp,-48
	sd	s0,40(sp)
	li	a7,4096
	lla	s0,records+16
	mv	t2,a0
	sd	s1,32(sp)
	mv	a2,s0
	li	a6,1
	li	a0,0
	li	a1,0
	lla	t3,records
	addi	a7,a7,-1728
.L3:
	mv	a4,a2
	lla	a5,.LC0
.L2:
	lbu	a3,0(a5)
	addi	a4,a4,1
	addi	a5,a5,1
	sb	a3,-1(a4)
	bne	a3,zero,.L2
	andi	a4,a6,63
	slli	a5,a4,1
	add	a5,a5,a4
	slli	a5,a5,4
	andi	a4,a1,63
	addiw	a4,a4,48
	add	a5,t3,a5
	sw	a0,-4(a2)
	sb	a4,14(a2)
	sd	a5,-16(a2)
	addiw	a1,a1,37
	addiw	a0,a0,29
	addiw	a6,a6,5
	addi	a2,a2,48
	bne	a1,a7,.L3
	li	t0,0
	li	a0,0
	lla	t6,records+3088
	li	t5,1000
	beq	t2,zero,.L5
.L4:
	andi	t1,t0,7
	mv	a7,s0
	mv	t4,t0
.L16:
	lw	a1,-4(a7)
	andi	a3,t4,63
	slli	a5,a3,1
	add	a2,a5,a3
	subw	a1,a1,t1
	slli	a2,a2,4
	add	a4,t3,a2
	sw	a1,-4(a7)
	lw	a1,12(a4)
	ld	s1,0(a4)
	mv	a6,a7
	addw	a1,a1,t1
	sw	a1,12(a4)
	sext.w	a4,a1
	li	a1,2
	bgt	a4,t5,.L6
	not	a4,a4
	srliw	a1,a4,31
.L6:
	beq	s1,zero,.L7
	lw	a4,8(s1)
	bne	a4,a1,.L7
	lw	a4,12(s1)
	addiw	a4,a4,3
	sw	a4,12(s1)
.L7:
	add	a5,a5,a3
	slli	a5,a5,4
	add	a5,t3,a5
	sw	a1,8(a5)
	lw	a5,-4(a7)
	ld	a3,-16(a7)
	li	a4,2
	bgt	a5,t5,.L8
	not	a5,a5
	srliw	a4,a5,31
.L8:
	beq	a3,zero,.L9
	lw	a5,8(a3)
	bne	a5,a4,.L9
	lw	a5,12(a3)
	addiw	a5,a5,3
	sw	a5,12(a3)
.L9:
	lbu	a5,0(a7)
	addi	a2,a2,16
	add	a2,t3,a2
	sw	a4,-8(a7)
	mv	a3,a7
	mv	a4,a2
	bne	a5,zero,.L10
	j	.L11
.L12:
	lbu	a5,0(a3)
	beq	a5,zero,.L11
.L10:
	lbu	a1,0(a4)
	addi	a3,a3,1
	addi	a4,a4,1
	beq	a1,a5,.L12
	ble	a5,a1,.L11
	mv	a4,a7
	mv	a5,sp
.L13:
	lbu	a3,0(a4)
	addi	a5,a5,1
	addi	a4,a4,1
	sb	a3,-1(a5)
	bne	a3,zero,.L13
	mv	a5,a2
.L14:
	lbu	a4,0(a5)
	addi	a6,a6,1
	addi	a5,a5,1
	sb	a4,-1(a6)
	bne	a4,zero,.L14
	mv	a5,sp
.L15:
	lbu	a4,0(a5)
	addi	a2,a2,1
	addi	a5,a5,1
	sb	a4,-1(a2)
	bne	a4,zero,.L15
.L11:
	addi	a7,a7,48
	addi	t4,t4,13
	addiw	t1,t1,1
	bne	t6,a7,.L16
	andi	a4,t0,63
	slli	a5,a4,1
	add	a5,a5,a4
	slli	a5,a5,4
	addi	a3,a5,16
	add	a3,t3,a3
	add	a5,t3,a5
	lw	a2,12(a5)
	lbu	a4,0(a3)
	slli	a5,a0,5
	sub	a5,a5,a0
	add	a0,a5,a2
	beq	a4,zero,.L17
	mv	a5,a3
.L18:
	lbu	a4,1(a5)
	addi	a5,a5,1
	bne	a4,zero,.L18
	sub	a5,a5,a3
	add	a0,a0,a5
.L17:
	addi	t0,t0,1
	bne	t2,t0,.L4
.L5:
	lla	a5,records+8
	lla	a1,records+3080
.L19:
	lw	a3,0(a5)
	lbu	a2,22(a5)
	slli	a4,a0,5
	sub	a4,a4,a0
	add	a3,a3,a2
	addi	a5,a5,48
	add	a0,a3,a4
	bne	a5,a1,.L19
	ld	s0,40(sp)
	ld	s1,32(sp)
	addi	sp,sp,48
	jr	ra
	.size	bench, .-bench
	.bss
	.align	3
	.type	records, @object
	.size	records, 3072
records:
	.zero	3072
