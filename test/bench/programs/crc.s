	.file	"crc.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_c2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
	.align	1
	.globl	bench
	.type	bench, @function
bench:
	lla	a6,.LANCHOR0
	mv	t1,a0
	li	a0,-306675712
	mv	t3,a6
	li	a7,0
	addi	a0,a0,800
	li	t4,256
.L4:
	mv	a5,a7
	li	a4,8
.L3:
	srliw	a3,a5,1
	andi	a2,a5,1
	addiw	a4,a4,-1
	xor	a1,a0,a3
	sext.w	a5,a3
	beq	a2,zero,.L2
	sext.w	a5,a1
.L2:
	bne	a4,zero,.L3
	sw	a5,0(t3)
	addiw	a7,a7,1
	addi	t3,t3,4
	bne	a7,t4,.L4
	lla	t3,data
	mv	a2,t3
	li	a5,0
	li	a1,65536
.L5:
	srai	a3,a4,8
	addw	a3,a3,a5
	sb	a3,0(a2)
	addiw	a5,a5,7
	addi	a4,a4,1
	andi	a5,a5,0xff
	addi	a2,a2,1
	bne	a4,a1,.L5
	beq	t1,zero,.L20
	li	t5,65536
	add	a3,t3,t5
	li	t4,0
	li	a0,0
	ld	a7,.LC0
	addi	t5,t5,-1
.L6:
	mv	a4,t3
	li	a5,-1
.L8:
	lbu	a1,0(a4)
	srliw	a2,a5,8
	addi	a4,a4,1
	xor	a5,a5,a1
	andi	a5,a5,0xff
	slli	a5,a5,2
	add	a5,a6,a5
	lw	a5,0(a5)
	xor	a5,a5,a2
	sext.w	a5,a5
	bne	a3,a4,.L8
	not	a5,a5
	slli	a5,a5,32
	srli	a5,a5,32
	add	a0,a0,a5
	mv	a5,t3
.L9:
	ld	a4,0(a5)
	addi	a5,a5,8
	xor	a0,a0,a4
	mul	a0,a0,a7
	srli	a4,a0,29
	xor	a0,a0,a4
	bne	a5,a3,.L9
	and	a5,t4,t5
	add	a5,t3,a5
	lbu	a4,0(a5)
	addi	t4,t4,1
	xor	a4,a4,a0
	sb	a4,0(a5)
	bne	t1,t4,.L6
	ret
.L20:
	li	a0,0
	ret
	.size	bench, .-bench
	.section	.srodata.cst8,"aM",@progbits,8
	.align	3
.LC0:
	.dword	-7046029254386353131
	.bss
	.align	3
	.set	.LANCHOR0,. + 0
	.type	table, @object
	.size	table, 1024
table:
	.zero	1024
	.type	data, @object
	.size	data, 65536
data:
	.zero	65536
