	.file	"matrix.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	lla	t3,a
	lla	t6,b
	mv	t4,a0
	mv	a1,t6
	mv	a2,t3
	li	a4,0
	li	a5,0
	li	t1,64
.L2:
	mv	a7,a1
	mv	a6,a5
	mv	a0,a2
	mv	a3,a4
	addi	t5,a4,64
.L3:
	sd	a3,0(a0)
	sd	a6,0(a7)
	addi	a3,a3,1
	addi	a0,a0,8
	addi	a6,a6,-5
	addi	a7,a7,8
	bne	a3,t5,.L3
	addi	a5,a5,1
	addi	a4,a4,3
	addi	a2,a2,512
	addi	a1,a1,512
	bne	a5,t1,.L2
	beq	t4,zero,.L23
	li	a5,32768
	addi	sp,sp,-64
	addi	a5,a5,512
	li	t5,-32768
	sd	s0,56(sp)
	sd	s1,48(sp)
	sd	s2,40(sp)
	sd	s3,32(sp)
	sd	s4,24(sp)
	sd	s5,16(sp)
	sd	s6,8(sp)
	li	t1,0
	li	a0,0
	lla	a7,b+512
	lla	s1,a+520
	lla	s0,c
	lla	t2,a+512
	add	t3,t3,a5
	lla	t0,c+504
	addi	t5,t5,1024
.L5:
	mv	a6,t2
	lla	s5,c
.L9:
	mv	s2,t6
	mv	s3,s5
	addi	s4,a6,-512
.L11:
	mv	a5,s4
	mv	a3,s2
	li	a2,0
.L7:
	ld	a4,0(a5)
	ld	a1,0(a3)
	addi	a5,a5,8
	addi	a3,a3,512
	mul	a4,a4,a1
	add	a2,a2,a4
	bne	a5,a6,.L7
	sd	a2,0(s3)
	addi	s2,s2,8
	addi	s3,s3,8
	bne	a7,s2,.L11
	addi	a6,a5,512
	addi	s5,s5,512
	bne	a6,t3,.L9
	mv	s3,t0
	li	s5,512
	li	s4,1024
	li	s2,0
.L10:
	ld	a6,8(s3)
	ld	a1,16(s3)
	addi	a4,s3,-496
	sub	a2,s1,s2
.L12:
	add	a3,a4,s2
	add	a5,a3,s4
	ld	s6,0(a4)
	ld	a5,0(a5)
	add	a3,a3,s5
	addi	a2,a2,8
	add	a5,a5,s6
	add	a5,a5,a6
	mv	a6,a1
	ld	a1,8(a3)
	slli	a3,a6,2
	addi	a4,a4,8
	add	a5,a5,a1
	add	a5,a5,a3
	srai	a5,a5,3
	sd	a5,-8(a2)
	bne	a4,s3,.L12
	addi	s2,s2,-512
	addi	s4,s4,512
	addi	s5,s5,512
	addi	s3,a4,512
	bne	s2,t5,.L10
	andi	a5,t1,63
	srli	a4,t1,6
	andi	a4,a4,63
	slli	a5,a5,6
	add	a5,a5,a4
	slli	a5,a5,3
	add	a5,s0,a5
	ld	a4,0(a5)
	slli	a5,a0,5
	sub	a5,a5,a0
	addi	t1,t1,1
	add	a0,a5,a4
	bne	t4,t1,.L5
	ld	s0,56(sp)
	ld	s1,48(sp)
	ld	s2,40(sp)
	ld	s3,32(sp)
	ld	s4,24(sp)
	ld	s5,16(sp)
	ld	s6,8(sp)
	addi	sp,sp,64
	jr	ra
.L23:
	li	a0,0
	ret
	.size	bench, .-bench
	.bss
	.align	3
	.type	c, @object
	.size	c, 32768
c:
	.zero	32768
	.type	b, @object
	.size	b, 32768
b:
	.zero	32768
	.type	a, @object
	.size	a, 32768
a:
	.zero	32768
