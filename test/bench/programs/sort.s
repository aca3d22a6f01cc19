	.file	"sort.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.type	sort, @function
sort:
	bge	a0,a1,.L19
	addi	sp,sp,-32
	sd	s1,8(sp)
	sd	s2,0(sp)
	sd	ra,24(sp)
	sd	s0,16(sp)
	mv	s2,a1
	lla	s1,keys
.L10:
	add	a5,s2,a0
	srai	a5,a5,1
	slli	a5,a5,3
	add	a5,s1,a5
	ld	a2,0(a5)
	mv	a1,s2
	mv	s0,a0
	blt	s2,a0,.L4
.L3:
	slli	a5,s0,3
	add	a5,s1,a5
	ld	a4,0(a5)
	addi	a5,s0,1
	slli	a5,a5,3
	add	a5,s1,a5
	bleu	a2,a4,.L9
.L5:
	ld	a4,0(a5)
	addi	s0,s0,1
	addi	a5,a5,8
	bltu	a4,a2,.L5
.L9:
	slli	a5,a1,3
	add	a3,s1,a5
	ld	a3,0(a3)
	bgeu	a2,a3,.L6
	addi	a5,a5,-8
	add	a5,s1,a5
.L7:
	ld	a3,0(a5)
	addi	a1,a1,-1
	addi	a5,a5,-8
	bgtu	a3,a2,.L7
.L6:
	blt	a1,s0,.L4
	slli	a6,s0,3
	slli	a5,a1,3
	add	a6,s1,a6
	sd	a3,0(a6)
	add	a5,s1,a5
	addi	s0,s0,1
	addi	a1,a1,-1
	sd	a4,0(a5)
	ble	s0,a1,.L3
.L4:
	call	sort
	bge	s0,s2,.L23
	mv	a0,s0
	j	.L10
.L23:
	ld	ra,24(sp)
	ld	s0,16(sp)
	ld	s1,8(sp)
	ld	s2,0(sp)
	addi	sp,sp,32
	jr	ra
.L19:
	ret
	.size	sort, .-sort
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	addi	sp,sp,-80
	sd	s4,32(sp)
	sd	ra,72(sp)
	sd	s0,64(sp)
	sd	s1,56(sp)
	sd	s2,48(sp)
	sd	s3,40(sp)
	sd	s5,24(sp)
	sd	s6,16(sp)
	sd	s7,8(sp)
	sd	s8,0(sp)
	li	s4,0
	beq	a0,zero,.L24
	li	s2,32768
	mv	s1,a0
	li	s8,0
	li	s4,0
	li	s0,1
	ld	s7,.LC0
	ld	s6,.LC1
	lla	s3,keys
	lla	s5,keys+262144
	addi	s2,s2,-1
.L25:
	lla	a5,keys
.L27:
	mul	s0,s0,s7
	addi	a5,a5,8
	add	s0,s0,s6
	sd	s0,-8(a5)
	bne	a5,s5,.L27
	mv	a1,s2
	li	a0,0
	call	sort
	ld	a3,0(s3)
	lla	a4,keys+8
.L28:
	mv	a2,a3
	ld	a3,0(a4)
	slli	a5,s4,5
	sub	a5,a5,s4
	srli	a1,a3,32
	add	a5,a5,a1
	sltu	a2,a3,a2
	addi	a4,a4,8
	add	s4,a2,a5
	bne	a4,s5,.L28
	addi	s8,s8,1
	bne	s1,s8,.L25
.L24:
	ld	ra,72(sp)
	ld	s0,64(sp)
	ld	s1,56(sp)
	ld	s2,48(sp)
	ld	s3,40(sp)
	ld	s5,24(sp)
	ld	s6,16(sp)
	ld	s7,8(sp)
	ld	s8,0(sp)
	mv	a0,s4
	ld	s4,32(sp)
	addi	sp,sp,80
	jr	ra
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
	.type	keys, @object
	.size	keys, 262144
keys:
	.zero	262144
