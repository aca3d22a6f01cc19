	.file	"bytecode.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	beq	a0,zero,.L22
	mv	t4,a0
	addi	sp,sp,-128
	li	t1,0
	li	a0,0
	lla	a7,.LANCHOR1
	lla	t3,.LANCHOR0
	lla	a2,.L5
	li	a6,12
.L20:
	andi	a5,t1,15
	addi	a5,a5,100
	slli	a4,a0,5
	sd	a5,24(a7)
	sub	a0,a4,a0
	li	a5,0
	lla	a3,.LANCHOR0
	li	t6,0
	mv	t5,sp
.L21:
	slli	a4,a5,48
	srli	a4,a4,48
	addi	a1,a3,2
	bgtu	a4,a6,.L3
	slli	a5,a5,2
	add	a5,a2,a5
	lw	a5,0(a5)
	add	a5,a2,a5
	jr	a5
	.section	.rodata
	.align	2
	.align	2
.L5:
	.word	.L17-.L5
	.word	.L16-.L5
	.word	.L15-.L5
	.word	.L14-.L5
	.word	.L13-.L5
	.word	.L12-.L5
	.word	.L11-.L5
	.word	.L10-.L5
	.word	.L9-.L5
	.word	.L19-.L5
	.word	.L7-.L5
	.word	.L6-.L5
	.word	.L4-.L5
	.text
.L19:
	lh	a3,2(a3)
	slli	a3,a3,1
	add	a3,t3,a3
.L18:
	lh	a5,0(a3)
	addi	t6,t6,1
	j	.L21
.L9:
	lh	a4,2(a3)
	ld	a5,-8(t5)
	addi	a3,a3,4
	slli	a4,a4,3
	add	a4,a7,a4
	sd	a5,0(a4)
	addi	t5,t5,-8
	j	.L18
.L10:
	lh	a4,2(a3)
	addi	t5,t5,8
	addi	a3,a3,4
	slli	a4,a4,3
	add	a4,a7,a4
	ld	a5,0(a4)
	sd	a5,-8(t5)
	j	.L18
.L11:
	ld	a4,-16(t5)
	ld	a5,-8(t5)
	sd	a4,-8(t5)
	sd	a5,-16(t5)
.L3:
	mv	a3,a1
	j	.L18
.L12:
	ld	a5,-8(t5)
	mv	a3,a1
	addi	t5,t5,8
	sd	a5,-8(t5)
	j	.L18
.L13:
	ld	a5,-16(t5)
	ld	a4,-8(t5)
	addi	t5,t5,-8
	mv	a3,a1
	and	a5,a5,a4
	sd	a5,-8(t5)
	j	.L18
.L14:
	ld	a5,-16(t5)
	ld	a4,-8(t5)
	addi	t5,t5,-8
	mv	a3,a1
	mul	a5,a5,a4
	sd	a5,-8(t5)
	j	.L18
.L15:
	ld	a5,-16(t5)
	ld	a4,-8(t5)
	addi	t5,t5,-8
	mv	a3,a1
	sub	a5,a5,a4
	sd	a5,-8(t5)
	j	.L18
.L16:
	ld	a5,-16(t5)
	ld	a4,-8(t5)
	addi	t5,t5,-8
	mv	a3,a1
	add	a5,a5,a4
	sd	a5,-8(t5)
	j	.L18
.L17:
	lh	a5,2(a3)
	addi	t5,t5,8
	addi	a3,a3,4
	sd	a5,-8(t5)
	j	.L18
.L4:
	ld	a5,16(a7)
	addi	t1,t1,1
	add	a5,t6,a5
	add	a0,a5,a0
	bne	t4,t1,.L20
	addi	sp,sp,128
	jr	ra
.L6:
	ld	a4,-16(t5)
	ld	a5,-8(t5)
	addi	t5,t5,-8
	mv	a3,a1
	slt	a4,a4,a5
	sd	a4,-8(t5)
	j	.L18
.L7:
	ld	a5,-8(t5)
	addi	t5,t5,-8
	beq	a5,zero,.L19
	addi	a3,a3,4
	j	.L18
.L22:
	li	a0,0
	ret
	.size	bench, .-bench
	.bss
	.align	3
	.set	.LANCHOR1,. + 0
	.type	variables, @object
	.size	variables, 32
variables:
	.zero	32
	.section	.rodata
	.align	3
	.set	.LANCHOR0,. + 0
	.type	program, @object
	.size	program, 116
program:
	.half	0
	.half	0
	.half	8
	.half	2
	.half	7
	.half	3
	.half	8
	.half	0
	.half	7
	.half	0
	.half	10
	.half	57
	.half	7
	.half	0
	.half	8
	.half	1
	.half	7
	.half	1
	.half	10
	.half	48
	.half	7
	.half	2
	.half	7
	.half	1
	.half	5
	.half	3
	.half	7
	.half	0
	.half	6
	.half	11
	.half	1
	.half	7
	.half	1
	.half	7
	.half	0
	.half	4
	.half	1
	.half	8
	.half	2
	.half	7
	.half	1
	.half	0
	.half	1
	.half	2
	.half	8
	.half	1
	.half	9
	.half	16
	.half	7
	.half	0
	.half	0
	.half	1
	.half	2
	.half	8
	.half	0
	.half	9
	.half	8
	.half	12
