	.file	"lexer.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	addi	sp,sp,-32
	lla	t6,text
	li	a5,32
	mv	t5,a0
	sd	s0,24(sp)
	sd	s1,16(sp)
	sd	s2,8(sp)
	sd	s3,0(sp)
	sb	a5,0(t6)
	lla	a3,text+1
	lla	a1,text+16384
	ld	a4,.LC0
	ld	a7,.LC1
	ld	a6,.LC2
	lla	a0,.LANCHOR0
	li	a2,46
.L2:
	mul	a4,a4,a7
	addi	a3,a3,1
	add	a4,a4,a6
	srli	a5,a4,33
	remu	a5,a5,a2
	add	a5,a0,a5
	lbu	a5,0(a5)
	sb	a5,-1(a3)
	bne	a3,a1,.L2
	li	s3,0
	li	a3,0
	lla	a2,.LANCHOR1
	beq	t5,zero,.L4
	li	t4,34
	li	s0,47
	li	t3,42
	li	a7,25
	li	t0,95
	li	t1,9
	li	s2,92
	li	s1,46
	lla	a6,.L7
.L3:
	mv	a5,t6
	li	t2,8
.L59:
	lbu	a4,0(a5)
	bgtu	a3,t2,.L56
	slli	a3,a3,2
	add	a3,a3,a6
	lw	a3,0(a3)
	add	a3,a3,a6
	jr	a3
	.section	.rodata
	.align	2
	.align	2
.L7:
	.word	.L56-.L7
	.word	.L45-.L7
	.word	.L32-.L7
	.word	.L12-.L7
	.word	.L19-.L7
	.word	.L66-.L7
	.word	.L57-.L7
	.word	.L8-.L7
	.word	.L26-.L7
	.text
.L105:
	addi	a5,a5,1
	beq	a5,a1,.L48
.L83:
	lbu	a4,0(a5)
.L32:
	beq	a4,s1,.L104
	addiw	a3,a4,-48
	andi	a3,a3,0xff
	bleu	a3,t1,.L105
.L76:
	addiw	a3,a4,-97
	andi	a3,a3,0xff
	bleu	a3,a7,.L88
	beq	a4,t0,.L88
.L35:
	beq	a4,t4,.L98
	beq	a4,s0,.L54
.L51:
	ld	a4,0(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,0(a2)
	beq	a1,a5,.L16
.L86:
	lbu	a4,0(a5)
.L56:
	addiw	a3,a4,-97
	andi	a3,a3,0xff
	bleu	a3,a7,.L88
	beq	a4,t0,.L88
	addiw	a3,a4,-48
	andi	a3,a3,0xff
	bgtu	a3,t1,.L46
.L100:
	ld	a4,16(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,16(a2)
	bne	a1,a5,.L83
.L48:
	li	a3,2
.L18:
	addi	s3,s3,1
	bne	t5,s3,.L3
.L4:
	lla	a5,.LANCHOR1
	lla	a2,.LANCHOR1+72
	li	a0,0
.L60:
	ld	a4,0(a5)
	slli	a3,a0,5
	sub	a0,a3,a0
	addi	a5,a5,8
	add	a0,a0,a4
	bne	a5,a2,.L60
	ld	s0,24(sp)
	ld	s1,16(sp)
	ld	s2,8(sp)
	ld	s3,0(sp)
	addi	sp,sp,32
	jr	ra
.L66:
	li	a3,4
.L10:
	slli	a4,a3,3
	add	a4,a2,a4
	ld	a0,0(a4)
	addi	a0,a0,1
	sd	a0,0(a4)
.L20:
	addi	a5,a5,1
	bne	a1,a5,.L59
	addi	s3,s3,1
	bne	t5,s3,.L3
	j	.L4
.L62:
	beq	a4,t4,.L98
	bne	a4,s0,.L51
	addi	a5,a5,1
	beq	a1,a5,.L53
.L58:
	lbu	a4,0(a5)
.L57:
	beq	a4,t3,.L82
	addiw	a3,a4,-97
	andi	a3,a3,0xff
	bleu	a3,a7,.L88
	beq	a4,t0,.L88
	addiw	a3,a4,-48
	andi	a3,a3,0xff
	bleu	a3,t1,.L100
	j	.L62
.L104:
	ld	a4,24(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,24(a2)
	beq	a1,a5,.L69
	lbu	a4,0(a5)
.L12:
	addiw	a3,a4,-48
	andi	a3,a3,0xff
	bgtu	a3,t1,.L76
	li	a3,3
	j	.L20
.L88:
	ld	a4,8(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,8(a2)
	beq	a1,a5,.L34
.L84:
	lbu	a4,0(a5)
.L45:
	addiw	a3,a4,-48
	andi	a3,a3,0xff
	bleu	a3,t1,.L71
	addiw	a3,a4,-97
	andi	a3,a3,0xff
	bleu	a3,a7,.L85
	bne	a4,t0,.L35
.L85:
	addi	a5,a5,1
	bne	a1,a5,.L84
.L34:
	li	a3,1
	j	.L18
.L107:
	ld	a4,64(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,64(a2)
	beq	a1,a5,.L21
.L81:
	lbu	a4,0(a5)
.L26:
	beq	a4,s0,.L51
	beq	a4,t3,.L23
.L82:
	ld	a4,56(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,56(a2)
	beq	a1,a5,.L106
	lbu	a4,0(a5)
.L8:
	li	a3,7
	bne	a4,t3,.L20
	j	.L107
.L98:
	ld	a4,32(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,32(a2)
	beq	a1,a5,.L50
.L80:
	lbu	a4,0(a5)
.L19:
	beq	a4,t4,.L51
	beq	a4,s2,.L67
	addi	a5,a5,1
	bne	a5,a1,.L80
.L50:
	addi	s3,s3,1
	li	a3,4
	bne	t5,s3,.L3
	j	.L4
.L23:
	addi	a5,a5,1
	bne	a5,a1,.L81
.L21:
	addi	s3,s3,1
	li	a3,8
	bne	t5,s3,.L3
	j	.L4
.L46:
	beq	a4,t4,.L98
	beq	a4,s0,.L54
	addi	a5,a5,1
	bne	a1,a5,.L86
.L16:
	addi	s3,s3,1
	li	a3,0
	bne	t5,s3,.L3
	j	.L4
.L71:
	li	a3,1
	j	.L20
.L67:
	li	a3,5
	j	.L10
.L54:
	ld	a4,48(a2)
	addi	a5,a5,1
	addi	a4,a4,1
	sd	a4,48(a2)
	bne	a1,a5,.L58
.L53:
	li	a3,6
	j	.L18
.L69:
	addi	s3,s3,1
	li	a3,3
	bne	t5,s3,.L3
	j	.L4
.L106:
	addi	s3,s3,1
	li	a3,7
	bne	t5,s3,.L3
	j	.L4
	.size	bench, .-bench
	.section	.srodata.cst8,"aM",@progbits,8
	.align	3
.LC0:
	.dword	2088359638719790806
	.align	3
.LC1:
	.dword	6364136223846793005
	.align	3
.LC2:
	.dword	1442695040888963407
	.bss
	.align	3
	.set	.LANCHOR1,. + 0
	.type	counts, @object
	.size	counts, 72
counts:
	.zero	72
	.type	text, @object
	.size	text, 16384
text:
	.zero	16384
	.section	.rodata
	.align	3
	.set	.LANCHOR0,. + 0
	.type	alphabet.0, @object
	.size	alphabet.0, 47
alphabet.0:
	.string	"abcxyz_0123459 .\"\\/*+ (;) ab /* x */ \"s\" 12.5 "
