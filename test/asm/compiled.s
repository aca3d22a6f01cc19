	.file	"compiled.c"
	.option nopic
	.attribute arch, "rv64i2p1_m2p0_a2p1_zicsr2p0"
	.attribute unaligned_access, 0
	.attribute stack_align, 16
	.text
.Ltext0:
	.cfi_sections	.debug_frame
	.file 0 "." "compiled.c"
	.align	2
	.globl	choose
	.type	choose, @function
choose:
.LFB2:
	.file 1 "compiled.c"
	.loc 1 8 19
	.cfi_startproc
.LVL0:
	.loc 1 8 21
	li	a5,6
	bgtu	a0,a5,.L2
	lla	a4,.L4
	slli	a0,a0,2
.LVL1:
	add	a0,a0,a4
	lw	a5,0(a0)
	add	a5,a5,a4
	jr	a5
	.section	.rodata
	.align	2
	.align	2
.L4:
	.word	.L10-.L4
	.word	.L11-.L4
	.word	.L8-.L4
	.word	.L7-.L4
	.word	.L6-.L4
	.word	.L5-.L4
	.word	.L3-.L4
	.text
.L11:
	li	a0,77
	.loc 1 8 199 is_stmt 0
	ret
.L10:
	.loc 1 8 49
	li	a0,5
	ret
.L8:
	.loc 1 8 79 is_stmt 1 discriminator 4
	.loc 1 8 86 is_stmt 0 discriminator 4
	li	a0,-1
	ret
.L7:
	.loc 1 8 98 is_stmt 1 discriminator 5
	.loc 1 8 105 is_stmt 0 discriminator 5
	li	a0,1000
	ret
.L3:
	.loc 1 8 164 is_stmt 1 discriminator 8
	.loc 1 8 171 is_stmt 0 discriminator 8
	li	a0,9
	ret
.L6:
	.loc 1 8 119 is_stmt 1 discriminator 6
	.loc 1 8 126 is_stmt 0 discriminator 6
	lw	a0,total
	ret
.L5:
	.loc 1 8 141 is_stmt 1 discriminator 7
	.loc 1 8 148 is_stmt 0 discriminator 7
	li	a0,122880
	addi	a0,a0,576
	ret
.LVL2:
.L2:
	.loc 1 8 183 is_stmt 1 discriminator 1
	.loc 1 8 192 is_stmt 0 discriminator 1
	mulw	a0,a0,a0
.LVL3:
	ret
	.cfi_endproc
.LFE2:
	.size	choose, .-choose
	.align	2
	.globl	walk
	.type	walk, @function
walk:
.LFB3:
	.loc 1 9 27 is_stmt 1
	.cfi_startproc
.LVL4:
	.loc 1 9 29
	.loc 1 9 43
	.loc 1 9 27 is_stmt 0
	mv	a5,a0
	.loc 1 9 50 is_stmt 1
	.loc 1 9 34 is_stmt 0
	li	a0,0
.LVL5:
	.loc 1 9 50
	beq	a5,zero,.L16
.LVL6:
.L15:
	.loc 1 9 66 is_stmt 1 discriminator 3
	.loc 1 9 85 is_stmt 0 discriminator 3
	lh	a4,2(a5)
	.loc 1 9 82 discriminator 3
	ld	a2,8(a5)
	.loc 1 9 97 discriminator 3
	lbu	a3,0(a5)
	.loc 1 9 55 discriminator 3
	ld	a5,16(a5)
.LVL7:
	.loc 1 9 82 discriminator 3
	mul	a4,a4,a2
	.loc 1 9 94 discriminator 3
	add	a4,a4,a3
	.loc 1 9 70 discriminator 3
	add	a0,a0,a4
.LVL8:
	.loc 1 9 55 is_stmt 1 discriminator 3
	.loc 1 9 50 discriminator 3
	bne	a5,zero,.L15
	ret
.LVL9:
.L16:
	.loc 1 9 104
	.loc 1 9 116 is_stmt 0
	ret
	.cfi_endproc
.LFE3:
	.size	walk, .-walk
	.align	2
	.globl	mix
	.type	mix, @function
mix:
.LFB4:
	.loc 1 10 16 is_stmt 1
	.cfi_startproc
.LVL10:
	.loc 1 10 18
	.loc 1 10 34 is_stmt 0
	lla	a4,.LANCHOR0
	ld	a3,0(a4)
	.loc 1 10 25
	srli	a5,a0,33
	.loc 1 10 20
	xor	a0,a5,a0
.LVL11:
	.loc 1 10 32 is_stmt 1
	.loc 1 10 34 is_stmt 0
	mul	a0,a0,a3
.LVL12:
	.loc 1 10 59 is_stmt 1
	.loc 1 10 72 is_stmt 0
	andi	a5,a0,1
	.loc 1 10 69
	slli	a5,a5,3
	add	a4,a4,a5
	ld	a5,8(a4)
	.loc 1 10 96
	li	a4,7
	.loc 1 10 61
	xor	a5,a5,a0
.LVL13:
	.loc 1 10 78 is_stmt 1
	.loc 1 10 87 is_stmt 0
	li	a0,10
	divu	a0,a5,a0
	.loc 1 10 96
	remu	a5,a5,a4
.LVL14:
	.loc 1 10 101
	add	a0,a0,a5
	ret
	.cfi_endproc
.LFE4:
	.size	mix, .-mix
	.align	2
	.globl	atomics
	.type	atomics, @function
atomics:
.LFB5:
	.loc 1 11 31 is_stmt 1
	.cfi_startproc
.LVL15:
	.loc 1 11 33
	li	a5,3
	fence iorw,ow; amoadd.d.aq zero,a5,0(a0)
	.loc 1 11 77
	fence	iorw,iorw
	.loc 1 11 118
	.loc 1 11 125 is_stmt 0
	li	a5,1
	amoswap.w.aq a5,a5,0(a1)
	.loc 1 11 158
	li	a3,1
	li	a2,2
	fence iorw,ow;  1: lr.d.aq a4,0(a0); bne a4,a3,1f; sc.d.aq a1,a2,0(a0); bnez a1,1b; 1:
.LVL16:
	.loc 1 11 125
	sext.w	a5,a5
	.loc 1 11 196
	add	a0,a5,a4
.LVL17:
	ret
	.cfi_endproc
.LFE5:
	.size	atomics, .-atomics
	.section	.text.startup,"ax",@progbits
	.align	2
	.globl	main
	.type	main, @function
main:
.LFB6:
	.loc 1 12 16 is_stmt 1
	.cfi_startproc
	.loc 1 12 18
	.loc 1 12 43
.LBB30:
	.loc 1 12 48
.LVL18:
	.loc 1 12 61
.LBE30:
	.loc 1 12 16 is_stmt 0
	addi	sp,sp,-976
	.cfi_def_cfa_offset 976
	sd	s1,952(sp)
	sd	s2,944(sp)
	.cfi_offset 9, -24
	.cfi_offset 18, -32
.LBB63:
.LBB31:
.LBB32:
	.loc 1 8 126
	lla	s1,total
	lla	s2,seed
.LBE32:
.LBE31:
.LBE63:
	.loc 1 12 16
	sd	s0,960(sp)
	sd	s3,936(sp)
	.cfi_offset 8, -16
	.cfi_offset 19, -40
.LBB64:
.LBB40:
.LBB33:
	.loc 1 8 126
	lw	s0,0(s1)
	lw	s3,0(s2)
.LBE33:
.LBE40:
.LBE64:
	.loc 1 12 16
	sd	ra,968(sp)
	li	t0,-4096
.LBB65:
.LBB41:
.LBB42:
	.loc 1 6 37
	li	t1,1662976
	.loc 1 6 48
	li	a7,1013903360
	.cfi_offset 1, -8
.LBE42:
.LBE41:
.LBB47:
.LBB34:
	.loc 1 8 148
	li	ra,122880
.LBE34:
.LBE47:
.LBE65:
	.loc 1 12 16
	sd	s4,928(sp)
	lla	a0,.LANCHOR2
	add	sp,sp,t0
	.cfi_def_cfa_offset 5072
	.cfi_offset 20, -48
.LBB66:
	.loc 1 12 52
	li	a2,0
	lla	t2,.LANCHOR0
	ld	t0,.LANCHOR0
.LBB48:
.LBB43:
	.loc 1 6 37
	addiw	t1,t1,1549
	.loc 1 6 48
	addiw	a7,a7,863
.LBE43:
.LBE48:
.LBB49:
.LBB50:
	.loc 1 10 87
	li	t6,10
	.loc 1 10 96
	li	t5,7
.LBE50:
.LBE49:
.LBB53:
.LBB35:
	.loc 1 8 21
	li	t4,6
	lla	a6,.L23
	.loc 1 8 148
	addi	ra,ra,576
.LBE35:
.LBE53:
	.loc 1 12 61
	li	t3,64
.LVL19:
.L30:
	.loc 1 12 72 is_stmt 1
.LBB54:
.LBB44:
	.loc 1 6 25
	.loc 1 6 37 is_stmt 0
	mulw	s3,s3,t1
.LBE44:
.LBE54:
.LBB55:
.LBB36:
	.loc 1 8 21
	andi	s4,a2,7
.LBE36:
.LBE55:
.LBB56:
.LBB45:
	.loc 1 6 48
	addw	a1,s3,a7
.LBE45:
.LBE56:
	.loc 1 12 83
	slli	a5,a1,32
	srli	a5,a5,32
.LBB57:
.LBB51:
	.loc 1 10 34
	mul	a5,a5,t0
.LBE51:
.LBE57:
.LBB58:
.LBB46:
	.loc 1 6 48
	sext.w	s3,a1
	.loc 1 6 63 is_stmt 1
.LVL20:
.LBE46:
.LBE58:
.LBB59:
.LBB52:
	.loc 1 10 18
	.loc 1 10 32
	.loc 1 10 59
	.loc 1 10 72 is_stmt 0
	andi	a4,a5,1
	.loc 1 10 69
	slli	a4,a4,3
	add	a4,t2,a4
	ld	a4,8(a4)
	.loc 1 10 61
	xor	a5,a5,a4
.LVL21:
	.loc 1 10 78 is_stmt 1
	.loc 1 10 87 is_stmt 0
	divu	a4,a5,t6
	.loc 1 10 96
	remu	a5,a5,t5
.LVL22:
	.loc 1 10 92
	add	a5,a4,a5
.LVL23:
.LBE52:
.LBE59:
.LBB60:
.LBB37:
	.loc 1 8 21 is_stmt 1
	bgtu	s4,t4,.L21
	slli	a4,s4,2
	add	a4,a4,a6
	lw	a4,0(a4)
	add	a4,a4,a6
	jr	a4
	.section	.rodata
	.align	2
	.align	2
.L23:
	.word	.L34-.L23
	.word	.L28-.L23
	.word	.L27-.L23
	.word	.L26-.L23
	.word	.L25-.L23
	.word	.L24-.L23
	.word	.L22-.L23
	.section	.text.startup
.L28:
	li	a4,77
.L29:
.LVL24:
.LBE37:
.LBE60:
	.loc 1 12 95 is_stmt 0
	add	a5,a5,a4
	.loc 1 12 81
	sd	a5,0(a0)
	.loc 1 12 68 is_stmt 1
	addiw	a2,a2,1
.LVL25:
	.loc 1 12 61
	addi	a0,a0,8
	bne	a2,t3,.L30
.LBE66:
	.loc 1 12 112
.LBB67:
.LBB68:
	.loc 1 6 25
	.loc 1 6 37 is_stmt 0
	li	a4,1662976
	addiw	a4,a4,1549
	mulw	a5,a1,a4
	.loc 1 6 48
	li	a3,1013903360
	addiw	a3,a3,863
.LBE68:
.LBE67:
	.loc 1 12 131
	li	a6,4096
	li	a0,-4096
	addi	a6,a6,912
	add	a6,a6,a0
	addi	a0,sp,16
	add	a0,a6,a0
	sd	a0,8(sp)
.LBB70:
.LBB69:
	.loc 1 6 48
	addw	a5,a5,a3
	.loc 1 6 63 is_stmt 1
.LBE69:
.LBE70:
.LBB71:
.LBB72:
.LBB73:
	.loc 1 6 37 is_stmt 0
	mulw	a4,a5,a4
.LBE73:
.LBE72:
.LBB77:
.LBB78:
	.loc 1 7 62
	li	a2,257
	lla	a1,.LANCHOR3
	slli	a2,a2,48
.LBE78:
.LBE77:
.LBB80:
.LBB74:
	.loc 1 6 48
	addw	a4,a4,a3
.LBE74:
.LBE80:
	.loc 1 12 170
	li	a3,3
	remuw	a3,a4,a3
.LBB81:
.LBB75:
	.loc 1 6 30
	sw	a4,0(s2)
.LBE75:
.LBE81:
.LBE71:
	.loc 1 12 123
	li	a4,4096
	addiw	a4,a4,904
	remuw	a5,a5,a4
.LBB84:
	.loc 1 12 153
	slli	a4,a3,32
	srli	a4,a4,29
	lla	a3,.LANCHOR1
	add	a4,a3,a4
	ld	a3,72(a4)
	.loc 1 12 176
	lbu	a4,0(a3)
.LBE84:
	.loc 1 12 131
	slli	a5,a5,32
	srli	a5,a5,32
	add	a5,a0,a5
	li	a0,1
	sb	a0,-904(a5)
	.loc 1 12 136 is_stmt 1
.LBB85:
	.loc 1 12 141
.LBB82:
.LBB76:
	.loc 1 6 25
	.loc 1 6 63
.LVL26:
.LBE76:
.LBE82:
	.loc 1 12 176
	beq	a4,zero,.L33
.L31:
	.loc 1 12 185 discriminator 7
.LVL27:
.LBB83:
.LBB79:
	.loc 1 7 27 discriminator 7
	.loc 1 7 62 is_stmt 0 discriminator 7
	or	a4,a4,a2
.LVL28:
	.loc 1 7 34 discriminator 7
	sd	a4,0(a1)
.LVL29:
.LBE79:
.LBE83:
	.loc 1 12 181 is_stmt 1 discriminator 7
	.loc 1 12 176 is_stmt 0 discriminator 7
	lbu	a4,1(a3)
	.loc 1 12 181 discriminator 7
	addi	a3,a3,1
.LVL30:
	.loc 1 12 176 is_stmt 1 discriminator 7
	bne	a4,zero,.L31
.L33:
.LBE85:
	.loc 1 12 194
 #APP
# 12 "compiled.c" 1
	csrr a5, mhartid
1:	bnez a5, 1b
# 0 "" 2
 #NO_APP
.LBB86:
.LBB87:
	.loc 1 9 34 is_stmt 0
	li	s0,0
.LBE87:
.LBE86:
	.loc 1 12 194
	sw	a5,0(s1)
	.loc 1 12 259 is_stmt 1
.LVL31:
.LBB90:
.LBB88:
	.loc 1 9 29
	.loc 1 9 43
	.loc 1 9 50
.LBE88:
.LBE90:
	.loc 1 12 194 is_stmt 0
	lla	a5,.LANCHOR1
.LVL32:
.L32:
.LBB91:
.LBB89:
	.loc 1 9 66 is_stmt 1
	.loc 1 9 85 is_stmt 0
	lh	a4,2(a5)
	.loc 1 9 82
	ld	a2,8(a5)
	.loc 1 9 97
	lbu	a3,0(a5)
	.loc 1 9 55
	ld	a5,16(a5)
.LVL33:
	.loc 1 9 82
	mul	a4,a4,a2
	.loc 1 9 94
	add	a4,a4,a3
	.loc 1 9 70
	add	s0,s0,a4
.LVL34:
	.loc 1 9 55 is_stmt 1
	.loc 1 9 50
	bne	a5,zero,.L32
	.loc 1 9 104
.LVL35:
.LBE89:
.LBE91:
	.loc 1 12 280 is_stmt 0
	lla	a1,total
	lla	a0,.LANCHOR2
	call	atomics
.LVL36:
	.loc 1 12 308
	li	a4,4096
	li	a5,-4096
	addi	a4,a4,912
	add	a4,a4,a5
	addi	a5,sp,16
	add	a5,a4,a5
	sd	a5,8(sp)
	lbu	a5,-901(a5)
	.loc 1 12 313
	li	t0,4096
	.loc 1 12 303
	addw	s0,s0,a5
	.loc 1 12 313
	add	sp,sp,t0
	.cfi_remember_state
	.cfi_def_cfa_offset 976
	ld	ra,968(sp)
	.cfi_restore 1
	addw	a0,s0,a0
	ld	s1,952(sp)
	.cfi_restore 9
	ld	s0,960(sp)
	.cfi_restore 8
	ld	s2,944(sp)
	.cfi_restore 18
	ld	s3,936(sp)
	.cfi_restore 19
	ld	s4,928(sp)
	.cfi_restore 20
	addi	sp,sp,976
	.cfi_def_cfa_offset 0
	jr	ra
.LVL37:
.L34:
	.cfi_restore_state
.LBB92:
.LBB61:
.LBB38:
	.loc 1 8 21
	li	a4,5
	j	.L29
.L22:
	.loc 1 8 164 is_stmt 1
	.loc 1 8 171 is_stmt 0
	li	a4,9
	j	.L29
.L24:
	.loc 1 8 141 is_stmt 1
	.loc 1 8 148 is_stmt 0
	mv	a4,ra
	j	.L29
.L25:
	.loc 1 8 119 is_stmt 1
.LBE38:
.LBE61:
	.loc 1 12 97 is_stmt 0
	mv	a4,s0
.LBB62:
.LBB39:
	.loc 1 8 126
	j	.L29
.L26:
	.loc 1 8 98 is_stmt 1
	.loc 1 8 105 is_stmt 0
	li	a4,1000
	j	.L29
.L27:
	.loc 1 8 79 is_stmt 1
	.loc 1 8 86 is_stmt 0
	li	a4,-1
	j	.L29
.L21:
	.loc 1 8 183 is_stmt 1
	.loc 1 8 192 is_stmt 0
	li	a4,49
	j	.L29
.LBE39:
.LBE62:
.LBE92:
	.cfi_endproc
.LFE6:
	.size	main, .-main
	.text
	.align	2
	.globl	_start
	.type	_start, @function
_start:
.LFB7:
	.loc 1 13 19 is_stmt 1
	.cfi_startproc
	.loc 1 13 21
	.loc 1 13 19 is_stmt 0
	addi	sp,sp,-16
	.cfi_def_cfa_offset 16
	sd	ra,8(sp)
	.cfi_offset 1, -8
	.loc 1 13 31
	call	main
.LVL38:
	.loc 1 13 38
	slliw	a5,a0,1
	.loc 1 13 44
	ori	a5,a5,1
	sext.w	a5,a5
	.loc 1 13 28
	sd	a5,.LANCHOR3,a4
.L42:
	.loc 1 13 49 is_stmt 1 discriminator 1
	.loc 1 13 49 discriminator 1
	.loc 1 13 49 discriminator 1
	.loc 1 13 49 discriminator 1
	j	.L42
	.cfi_endproc
.LFE7:
	.size	_start, .-_start
	.globl	items
	.globl	words
	.globl	total
	.globl	tohost
	.data
	.align	3
	.set	.LANCHOR1,. + 0
	.type	items, @object
	.size	items, 72
items:
	.byte	97
	.zero	1
	.half	-1
	.zero	4
	.dword	7
	.dword	items+24
	.byte	98
	.zero	1
	.half	2
	.zero	4
	.dword	-9
	.dword	0
	.zero	24
	.type	words, @object
	.size	words, 24
words:
	.dword	.LC1
	.dword	.LC2
	.dword	.LC3
	.bss
	.align	3
	.set	.LANCHOR2,. + 0
	.type	cells, @object
	.size	cells, 512
cells:
	.zero	512
	.section	.rodata
	.align	3
	.set	.LANCHOR0,. + 0
.LC0:
	.dword	-49064778989728563
	.type	masks, @object
	.size	masks, 16
masks:
	.dword	-9223372036854775808
	.dword	-2401053089206453570
.LC1:
	.string	"one"
	.zero	4
.LC2:
	.string	"two\t\"x\""
.LC3:
	.string	"three"
	.section	.sbss,"aw",@nobits
	.align	2
	.type	total, @object
	.size	total, 4
total:
	.zero	4
	.section	.sdata,"aw"
	.align	2
	.type	seed, @object
	.size	seed, 4
seed:
	.word	12345
	.section	.tohost,"aw"
	.align	6
	.set	.LANCHOR3,. + 0
	.type	tohost, @object
	.size	tohost, 8
tohost:
	.zero	8
	.text
.Letext0:
	.section	.debug_info,"",@progbits
.Ldebug_info0:
	.4byte	0x451
	.2byte	0x5
	.byte	0x1
	.byte	0x8
	.4byte	.Ldebug_abbrev0
	.byte	0x17
	.4byte	.LASF20
	.byte	0x1d
	.4byte	.LASF0
	.4byte	.LASF1
	.4byte	.LLRL22
	.8byte	0
	.4byte	.Ldebug_line0
	.byte	0xd
	.string	"u64"
	.byte	0x17
	.4byte	0x3e
	.byte	0x7
	.4byte	0x2a
	.byte	0x8
	.4byte	0x2a
	.byte	0x2
	.byte	0x8
	.byte	0x7
	.4byte	.LASF2
	.byte	0xd
	.string	"u32"
	.byte	0x31
	.4byte	0x4f
	.byte	0x2
	.byte	0x4
	.byte	0x7
	.4byte	.LASF3
	.byte	0x18
	.4byte	.LASF21
	.byte	0x1
	.byte	0x2
	.byte	0xe
	.4byte	0x34
	.byte	0x40
	.byte	0x9
	.byte	0x3
	.8byte	tohost
	.byte	0x9
	.4byte	.LASF5
	.byte	0x3
	.byte	0xc
	.4byte	0x45
	.byte	0x9
	.byte	0x3
	.8byte	seed
	.byte	0xa
	.4byte	.LASF8
	.byte	0x3
	.byte	0x1e
	.4byte	0x97
	.byte	0x9
	.byte	0x3
	.8byte	total
	.byte	0x19
	.byte	0x4
	.byte	0x5
	.string	"int"
	.byte	0x3
	.4byte	0xae
	.4byte	0xae
	.byte	0x4
	.4byte	0x3e
	.byte	0x3f
	.byte	0
	.byte	0x2
	.byte	0x8
	.byte	0x5
	.4byte	.LASF4
	.byte	0x9
	.4byte	.LASF6
	.byte	0x3
	.byte	0x31
	.4byte	0x9e
	.byte	0x9
	.byte	0x3
	.8byte	cells
	.byte	0x3
	.4byte	0xda
	.4byte	0xda
	.byte	0x4
	.4byte	0x3e
	.byte	0x2
	.byte	0
	.byte	0x5
	.4byte	0xe6
	.byte	0x2
	.byte	0x1
	.byte	0x8
	.4byte	.LASF7
	.byte	0x8
	.4byte	0xdf
	.byte	0x7
	.4byte	0xdf
	.byte	0xa
	.4byte	.LASF9
	.byte	0x3
	.byte	0x48
	.4byte	0xca
	.byte	0x9
	.byte	0x3
	.8byte	words
	.byte	0x3
	.4byte	0x39
	.4byte	0x115
	.byte	0x4
	.4byte	0x3e
	.byte	0x1
	.byte	0
	.byte	0x8
	.4byte	0x105
	.byte	0x9
	.4byte	.LASF10
	.byte	0x4
	.byte	0x12
	.4byte	0x115
	.byte	0x9
	.byte	0x3
	.8byte	masks
	.byte	0x1a
	.4byte	.LASF22
	.byte	0x18
	.byte	0x1
	.byte	0x5
	.byte	0x8
	.4byte	0x16b
	.byte	0x1b
	.string	"tag"
	.byte	0x1
	.byte	0x5
	.byte	0x14
	.4byte	0xdf
	.byte	0
	.byte	0xb
	.4byte	.LASF11
	.byte	0x1f
	.4byte	0x16b
	.byte	0x2
	.byte	0xb
	.4byte	.LASF12
	.byte	0x2c
	.4byte	0xae
	.byte	0x8
	.byte	0xb
	.4byte	.LASF13
	.byte	0x40
	.4byte	0x172
	.byte	0x10
	.byte	0
	.byte	0x2
	.byte	0x2
	.byte	0x5
	.4byte	.LASF14
	.byte	0x5
	.4byte	0x12f
	.byte	0x3
	.4byte	0x12f
	.4byte	0x187
	.byte	0x4
	.4byte	0x3e
	.byte	0x2
	.byte	0
	.byte	0xa
	.4byte	.LASF15
	.byte	0x5
	.byte	0x48
	.4byte	0x177
	.byte	0x9
	.byte	0x3
	.8byte	items
	.byte	0x1c
	.4byte	.LASF23
	.byte	0x1
	.byte	0xd
	.byte	0x6
	.8byte	.LFB7
	.8byte	.LFE7-.LFB7
	.byte	0x1
	.byte	0x9c
	.4byte	0x1c8
	.byte	0x1d
	.8byte	.LVL38
	.4byte	0x1c8
	.byte	0
	.byte	0xe
	.4byte	.LASF16
	.byte	0xc
	.byte	0x5
	.4byte	0x97
	.8byte	.LFB6
	.8byte	.LFE6-.LFB6
	.byte	0x1
	.byte	0x9c
	.4byte	0x309
	.byte	0x1e
	.string	"big"
	.byte	0x1
	.byte	0xc
	.byte	0x20
	.4byte	0x31a
	.byte	0x3
	.byte	0x91
	.byte	0xc8,0x58
	.byte	0xf
	.4byte	.LLRL6
	.4byte	0x25f
	.byte	0x10
	.string	"i"
	.byte	0x34
	.4byte	0x97
	.4byte	.LLST7
	.byte	0x1f
	.4byte	0x3a3
	.8byte	.LBB31
	.4byte	.LLRL8
	.byte	0x1
	.byte	0xc
	.byte	0x61
	.4byte	0x230
	.byte	0x1
	.4byte	0x3b2
	.4byte	.LLST9
	.byte	0
	.byte	0xc
	.4byte	0x3d3
	.8byte	.LBB41
	.4byte	.LLRL10
	.byte	0x57
	.byte	0x11
	.4byte	0x363
	.8byte	.LBB49
	.4byte	.LLRL11
	.byte	0x53
	.byte	0x1
	.4byte	0x374
	.4byte	.LLST12
	.byte	0
	.byte	0
	.byte	0xf
	.4byte	.LLRL14
	.4byte	0x2a3
	.byte	0x10
	.string	"s"
	.byte	0x99
	.4byte	0xda
	.4byte	.LLST15
	.byte	0xc
	.4byte	0x3d3
	.8byte	.LBB72
	.4byte	.LLRL16
	.byte	0xa3
	.byte	0x11
	.4byte	0x3bc
	.8byte	.LBB77
	.4byte	.LLRL17
	.byte	0xb9
	.byte	0x1
	.4byte	0x3c9
	.4byte	.LLST18
	.byte	0
	.byte	0
	.byte	0xc
	.4byte	0x3d3
	.8byte	.LBB67
	.4byte	.LLRL13
	.byte	0x74
	.byte	0x20
	.4byte	0x37e
	.8byte	.LBB86
	.4byte	.LLRL19
	.byte	0x1
	.byte	0xc
	.2byte	0x10a
	.4byte	0x2e7
	.byte	0x1
	.4byte	0x38d
	.4byte	.LLST20
	.byte	0x21
	.4byte	.LLRL19
	.byte	0x12
	.4byte	0x396
	.4byte	.LLST21
	.byte	0
	.byte	0
	.byte	0x22
	.8byte	.LVL36
	.4byte	0x31f
	.byte	0x13
	.byte	0x1
	.byte	0x5a
	.byte	0x9
	.byte	0x3
	.8byte	.LANCHOR2
	.byte	0x13
	.byte	0x1
	.byte	0x5b
	.byte	0x2
	.byte	0x79
	.byte	0
	.byte	0
	.byte	0
	.byte	0x3
	.4byte	0xeb
	.4byte	0x31a
	.byte	0x23
	.4byte	0x3e
	.2byte	0x1387
	.byte	0
	.byte	0x7
	.4byte	0x309
	.byte	0xe
	.4byte	.LASF17
	.byte	0xb
	.byte	0x6
	.4byte	0xae
	.8byte	.LFB5
	.8byte	.LFE5-.LFB5
	.byte	0x1
	.byte	0x9c
	.4byte	0x359
	.byte	0x14
	.string	"p"
	.byte	0x14
	.4byte	0x359
	.4byte	.LLST4
	.byte	0x14
	.string	"q"
	.byte	0x1c
	.4byte	0x35e
	.4byte	.LLST5
	.byte	0
	.byte	0x5
	.4byte	0xae
	.byte	0x5
	.4byte	0x97
	.byte	0x24
	.string	"mix"
	.byte	0x1
	.byte	0xa
	.byte	0x5
	.4byte	0x2a
	.byte	0x1
	.4byte	0x37e
	.byte	0x6
	.string	"x"
	.byte	0xa
	.byte	0xd
	.4byte	0x2a
	.byte	0
	.byte	0x15
	.4byte	.LASF18
	.byte	0x9
	.byte	0x6
	.4byte	0xae
	.4byte	0x3a3
	.byte	0x6
	.string	"i"
	.byte	0x9
	.byte	0x18
	.4byte	0x172
	.byte	0x25
	.string	"sum"
	.byte	0x1
	.byte	0x9
	.byte	0x22
	.4byte	0xae
	.byte	0
	.byte	0x15
	.4byte	.LASF19
	.byte	0x8
	.byte	0x5
	.4byte	0x97
	.4byte	0x3bc
	.byte	0x6
	.string	"x"
	.byte	0x8
	.byte	0x10
	.4byte	0x97
	.byte	0
	.byte	0x26
	.string	"put"
	.byte	0x1
	.byte	0x7
	.byte	0xd
	.byte	0x1
	.4byte	0x3d3
	.byte	0x6
	.string	"c"
	.byte	0x7
	.byte	0x16
	.4byte	0xdf
	.byte	0
	.byte	0x27
	.4byte	.LASF13
	.byte	0x1
	.byte	0x6
	.byte	0xc
	.4byte	0x45
	.byte	0x1
	.byte	0x16
	.4byte	0x3a3
	.8byte	.LFB2
	.8byte	.LFE2-.LFB2
	.byte	0x1
	.byte	0x9c
	.4byte	0x405
	.byte	0x1
	.4byte	0x3b2
	.4byte	.LLST0
	.byte	0
	.byte	0x16
	.4byte	0x37e
	.8byte	.LFB3
	.8byte	.LFE3-.LFB3
	.byte	0x1
	.byte	0x9c
	.4byte	0x433
	.byte	0x1
	.4byte	0x38d
	.4byte	.LLST1
	.byte	0x12
	.4byte	0x396
	.4byte	.LLST2
	.byte	0
	.byte	0x28
	.4byte	0x363
	.8byte	.LFB4
	.8byte	.LFE4-.LFB4
	.byte	0x1
	.byte	0x9c
	.byte	0x1
	.4byte	0x374
	.4byte	.LLST3
	.byte	0
	.byte	0
	.section	.debug_abbrev,"",@progbits
.Ldebug_abbrev0:
	.byte	0x1
	.byte	0x5
	.byte	0
	.byte	0x31
	.byte	0x13
	.byte	0x2
	.byte	0x17
	.byte	0
	.byte	0
	.byte	0x2
	.byte	0x24
	.byte	0
	.byte	0xb
	.byte	0xb
	.byte	0x3e
	.byte	0xb
	.byte	0x3
	.byte	0xe
	.byte	0
	.byte	0
	.byte	0x3
	.byte	0x1
	.byte	0x1
	.byte	0x49
	.byte	0x13
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x4
	.byte	0x21
	.byte	0
	.byte	0x49
	.byte	0x13
	.byte	0x2f
	.byte	0xb
	.byte	0
	.byte	0
	.byte	0x5
	.byte	0xf
	.byte	0
	.byte	0xb
	.byte	0x21
	.byte	0x8
	.byte	0x49
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x6
	.byte	0x5
	.byte	0
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x7
	.byte	0x35
	.byte	0
	.byte	0x49
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x8
	.byte	0x26
	.byte	0
	.byte	0x49
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x9
	.byte	0x34
	.byte	0
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x2
	.byte	0x18
	.byte	0
	.byte	0
	.byte	0xa
	.byte	0x34
	.byte	0
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x3f
	.byte	0x19
	.byte	0x2
	.byte	0x18
	.byte	0
	.byte	0
	.byte	0xb
	.byte	0xd
	.byte	0
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0x21
	.byte	0x5
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x38
	.byte	0xb
	.byte	0
	.byte	0
	.byte	0xc
	.byte	0x1d
	.byte	0
	.byte	0x31
	.byte	0x13
	.byte	0x52
	.byte	0x1
	.byte	0x55
	.byte	0x17
	.byte	0x58
	.byte	0x21
	.byte	0x1
	.byte	0x59
	.byte	0x21
	.byte	0xc
	.byte	0x57
	.byte	0xb
	.byte	0
	.byte	0
	.byte	0xd
	.byte	0x16
	.byte	0
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0x21
	.byte	0x1
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0xe
	.byte	0x2e
	.byte	0x1
	.byte	0x3f
	.byte	0x19
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x27
	.byte	0x19
	.byte	0x49
	.byte	0x13
	.byte	0x11
	.byte	0x1
	.byte	0x12
	.byte	0x7
	.byte	0x40
	.byte	0x18
	.byte	0x7a
	.byte	0x19
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0xf
	.byte	0xb
	.byte	0x1
	.byte	0x55
	.byte	0x17
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x10
	.byte	0x34
	.byte	0
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0x21
	.byte	0xc
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x2
	.byte	0x17
	.byte	0
	.byte	0
	.byte	0x11
	.byte	0x1d
	.byte	0x1
	.byte	0x31
	.byte	0x13
	.byte	0x52
	.byte	0x1
	.byte	0x55
	.byte	0x17
	.byte	0x58
	.byte	0x21
	.byte	0x1
	.byte	0x59
	.byte	0x21
	.byte	0xc
	.byte	0x57
	.byte	0xb
	.byte	0
	.byte	0
	.byte	0x12
	.byte	0x34
	.byte	0
	.byte	0x31
	.byte	0x13
	.byte	0x2
	.byte	0x17
	.byte	0
	.byte	0
	.byte	0x13
	.byte	0x49
	.byte	0
	.byte	0x2
	.byte	0x18
	.byte	0x7e
	.byte	0x18
	.byte	0
	.byte	0
	.byte	0x14
	.byte	0x5
	.byte	0
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0x21
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x2
	.byte	0x17
	.byte	0
	.byte	0
	.byte	0x15
	.byte	0x2e
	.byte	0x1
	.byte	0x3f
	.byte	0x19
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0x21
	.byte	0x1
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x27
	.byte	0x19
	.byte	0x49
	.byte	0x13
	.byte	0x20
	.byte	0x21
	.byte	0x1
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x16
	.byte	0x2e
	.byte	0x1
	.byte	0x31
	.byte	0x13
	.byte	0x11
	.byte	0x1
	.byte	0x12
	.byte	0x7
	.byte	0x40
	.byte	0x18
	.byte	0x7a
	.byte	0x19
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x17
	.byte	0x11
	.byte	0x1
	.byte	0x25
	.byte	0xe
	.byte	0x13
	.byte	0xb
	.byte	0x3
	.byte	0x1f
	.byte	0x1b
	.byte	0x1f
	.byte	0x55
	.byte	0x17
	.byte	0x11
	.byte	0x1
	.byte	0x10
	.byte	0x17
	.byte	0
	.byte	0
	.byte	0x18
	.byte	0x34
	.byte	0
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x3f
	.byte	0x19
	.byte	0x88,0x1
	.byte	0xb
	.byte	0x2
	.byte	0x18
	.byte	0
	.byte	0
	.byte	0x19
	.byte	0x24
	.byte	0
	.byte	0xb
	.byte	0xb
	.byte	0x3e
	.byte	0xb
	.byte	0x3
	.byte	0x8
	.byte	0
	.byte	0
	.byte	0x1a
	.byte	0x13
	.byte	0x1
	.byte	0x3
	.byte	0xe
	.byte	0xb
	.byte	0xb
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x1b
	.byte	0xd
	.byte	0
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x38
	.byte	0xb
	.byte	0
	.byte	0
	.byte	0x1c
	.byte	0x2e
	.byte	0x1
	.byte	0x3f
	.byte	0x19
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x27
	.byte	0x19
	.byte	0x11
	.byte	0x1
	.byte	0x12
	.byte	0x7
	.byte	0x40
	.byte	0x18
	.byte	0x7a
	.byte	0x19
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x1d
	.byte	0x48
	.byte	0
	.byte	0x7d
	.byte	0x1
	.byte	0x7f
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x1e
	.byte	0x34
	.byte	0
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0x2
	.byte	0x18
	.byte	0
	.byte	0
	.byte	0x1f
	.byte	0x1d
	.byte	0x1
	.byte	0x31
	.byte	0x13
	.byte	0x52
	.byte	0x1
	.byte	0x55
	.byte	0x17
	.byte	0x58
	.byte	0xb
	.byte	0x59
	.byte	0xb
	.byte	0x57
	.byte	0xb
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x20
	.byte	0x1d
	.byte	0x1
	.byte	0x31
	.byte	0x13
	.byte	0x52
	.byte	0x1
	.byte	0x55
	.byte	0x17
	.byte	0x58
	.byte	0xb
	.byte	0x59
	.byte	0xb
	.byte	0x57
	.byte	0x5
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x21
	.byte	0xb
	.byte	0x1
	.byte	0x55
	.byte	0x17
	.byte	0
	.byte	0
	.byte	0x22
	.byte	0x48
	.byte	0x1
	.byte	0x7d
	.byte	0x1
	.byte	0x7f
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x23
	.byte	0x21
	.byte	0
	.byte	0x49
	.byte	0x13
	.byte	0x2f
	.byte	0x5
	.byte	0
	.byte	0
	.byte	0x24
	.byte	0x2e
	.byte	0x1
	.byte	0x3f
	.byte	0x19
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x27
	.byte	0x19
	.byte	0x49
	.byte	0x13
	.byte	0x20
	.byte	0xb
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x25
	.byte	0x34
	.byte	0
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x49
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x26
	.byte	0x2e
	.byte	0x1
	.byte	0x3
	.byte	0x8
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x27
	.byte	0x19
	.byte	0x20
	.byte	0xb
	.byte	0x1
	.byte	0x13
	.byte	0
	.byte	0
	.byte	0x27
	.byte	0x2e
	.byte	0
	.byte	0x3
	.byte	0xe
	.byte	0x3a
	.byte	0xb
	.byte	0x3b
	.byte	0xb
	.byte	0x39
	.byte	0xb
	.byte	0x27
	.byte	0x19
	.byte	0x49
	.byte	0x13
	.byte	0x20
	.byte	0xb
	.byte	0
	.byte	0
	.byte	0x28
	.byte	0x2e
	.byte	0x1
	.byte	0x31
	.byte	0x13
	.byte	0x11
	.byte	0x1
	.byte	0x12
	.byte	0x7
	.byte	0x40
	.byte	0x18
	.byte	0x7a
	.byte	0x19
	.byte	0
	.byte	0
	.byte	0
	.section	.debug_loclists,"",@progbits
	.4byte	.Ldebug_loc3-.Ldebug_loc2
.Ldebug_loc2:
	.2byte	0x5
	.byte	0x8
	.byte	0
	.4byte	0
.Ldebug_loc0:
.LLST7:
	.byte	0x7
	.8byte	.LVL18
	.8byte	.LVL19
	.byte	0x2
	.byte	0x30
	.byte	0x9f
	.byte	0x7
	.8byte	.LVL19
	.8byte	.LVL24
	.byte	0x1
	.byte	0x5c
	.byte	0x7
	.8byte	.LVL37
	.8byte	.LFE6
	.byte	0x1
	.byte	0x5c
	.byte	0
.LLST9:
	.byte	0x7
	.8byte	.LVL23
	.8byte	.LVL24
	.byte	0x5
	.byte	0x7c
	.byte	0
	.byte	0x37
	.byte	0x1a
	.byte	0x9f
	.byte	0x7
	.8byte	.LVL37
	.8byte	.LFE6
	.byte	0x5
	.byte	0x7c
	.byte	0
	.byte	0x37
	.byte	0x1a
	.byte	0x9f
	.byte	0
.LLST12:
	.byte	0x7
	.8byte	.LVL20
	.8byte	.LVL22
	.byte	0x1
	.byte	0x5f
	.byte	0x7
	.8byte	.LVL22
	.8byte	.LVL23
	.byte	0x22
	.byte	0x7b
	.byte	0
	.byte	0x8
	.byte	0x20
	.byte	0x24
	.byte	0x8
	.byte	0x20
	.byte	0x25
	.byte	0x75
	.byte	0
	.byte	0x1e
	.byte	0x7b
	.byte	0
	.byte	0x8
	.byte	0x20
	.byte	0x24
	.byte	0x8
	.byte	0x20
	.byte	0x25
	.byte	0x75
	.byte	0
	.byte	0x1e
	.byte	0x31
	.byte	0x1a
	.byte	0x33
	.byte	0x24
	.byte	0x77
	.byte	0
	.byte	0x22
	.byte	0x23
	.byte	0x8
	.byte	0x6
	.byte	0x27
	.byte	0x9f
	.byte	0
.LLST15:
	.byte	0x7
	.8byte	.LVL26
	.8byte	.LVL32
	.byte	0x1
	.byte	0x5d
	.byte	0
.LLST18:
	.byte	0x7
	.8byte	.LVL27
	.8byte	.LVL28
	.byte	0x1
	.byte	0x5e
	.byte	0
.LLST20:
	.byte	0x7
	.8byte	.LVL31
	.8byte	.LVL32
	.byte	0xa
	.byte	0x3
	.8byte	items
	.byte	0x9f
	.byte	0x7
	.8byte	.LVL32
	.8byte	.LVL33
	.byte	0x1
	.byte	0x5f
	.byte	0x7
	.8byte	.LVL34
	.8byte	.LVL35
	.byte	0x1
	.byte	0x5f
	.byte	0
.LLST21:
	.byte	0x7
	.8byte	.LVL31
	.8byte	.LVL32
	.byte	0x2
	.byte	0x30
	.byte	0x9f
	.byte	0x7
	.8byte	.LVL32
	.8byte	.LVL35
	.byte	0x1
	.byte	0x58
	.byte	0
.LLST4:
	.byte	0x7
	.8byte	.LVL15
	.8byte	.LVL17
	.byte	0x1
	.byte	0x5a
	.byte	0x7
	.8byte	.LVL17
	.8byte	.LFE5
	.byte	0x4
	.byte	0xa3
	.byte	0x1
	.byte	0x5a
	.byte	0x9f
	.byte	0
.LLST5:
	.byte	0x7
	.8byte	.LVL15
	.8byte	.LVL16
	.byte	0x1
	.byte	0x5b
	.byte	0x7
	.8byte	.LVL16
	.8byte	.LFE5
	.byte	0x4
	.byte	0xa3
	.byte	0x1
	.byte	0x5b
	.byte	0x9f
	.byte	0
.LLST0:
	.byte	0x7
	.8byte	.LVL0
	.8byte	.LVL1
	.byte	0x1
	.byte	0x5a
	.byte	0x7
	.8byte	.LVL1
	.8byte	.LVL2
	.byte	0x4
	.byte	0xa3
	.byte	0x1
	.byte	0x5a
	.byte	0x9f
	.byte	0x7
	.8byte	.LVL2
	.8byte	.LVL3
	.byte	0x1
	.byte	0x5a
	.byte	0x7
	.8byte	.LVL3
	.8byte	.LFE2
	.byte	0x4
	.byte	0xa3
	.byte	0x1
	.byte	0x5a
	.byte	0x9f
	.byte	0
.LLST1:
	.byte	0x7
	.8byte	.LVL4
	.8byte	.LVL5
	.byte	0x1
	.byte	0x5a
	.byte	0x7
	.8byte	.LVL5
	.8byte	.LVL7
	.byte	0x1
	.byte	0x5f
	.byte	0x7
	.8byte	.LVL8
	.8byte	.LFE3
	.byte	0x1
	.byte	0x5f
	.byte	0
.LLST2:
	.byte	0x7
	.8byte	.LVL4
	.8byte	.LVL6
	.byte	0x2
	.byte	0x30
	.byte	0x9f
	.byte	0x7
	.8byte	.LVL6
	.8byte	.LVL9
	.byte	0x1
	.byte	0x5a
	.byte	0x7
	.8byte	.LVL9
	.8byte	.LFE3
	.byte	0x2
	.byte	0x30
	.byte	0x9f
	.byte	0
.LLST3:
	.byte	0x7
	.8byte	.LVL10
	.8byte	.LVL11
	.byte	0x1
	.byte	0x5a
	.byte	0x7
	.8byte	.LVL11
	.8byte	.LVL13
	.byte	0x1
	.byte	0x5a
	.byte	0x7
	.8byte	.LVL13
	.8byte	.LVL14
	.byte	0x1
	.byte	0x5f
	.byte	0x7
	.8byte	.LVL14
	.8byte	.LFE4
	.byte	0x2b
	.byte	0xa3
	.byte	0x1
	.byte	0x5a
	.byte	0x8
	.byte	0x21
	.byte	0x25
	.byte	0xa3
	.byte	0x1
	.byte	0x5a
	.byte	0x27
	.byte	0x7d
	.byte	0
	.byte	0x1e
	.byte	0xa3
	.byte	0x1
	.byte	0x5a
	.byte	0x8
	.byte	0x21
	.byte	0x25
	.byte	0xa3
	.byte	0x1
	.byte	0x5a
	.byte	0x27
	.byte	0x7d
	.byte	0
	.byte	0x1e
	.byte	0x31
	.byte	0x1a
	.byte	0x33
	.byte	0x24
	.byte	0x3
	.8byte	.LANCHOR0+8
	.byte	0x22
	.byte	0x6
	.byte	0x27
	.byte	0x9f
	.byte	0
.Ldebug_loc3:
	.section	.debug_aranges,"",@progbits
	.4byte	0x3c
	.2byte	0x2
	.4byte	.Ldebug_info0
	.byte	0x8
	.byte	0
	.2byte	0
	.2byte	0
	.8byte	.Ltext0
	.8byte	.Letext0-.Ltext0
	.8byte	.LFB6
	.8byte	.LFE6-.LFB6
	.8byte	0
	.8byte	0
	.section	.debug_rnglists,"",@progbits
.Ldebug_ranges0:
	.4byte	.Ldebug_ranges3-.Ldebug_ranges2
.Ldebug_ranges2:
	.2byte	0x5
	.byte	0x8
	.byte	0
	.4byte	0
.LLRL6:
	.byte	0x6
	.8byte	.LBB30
	.8byte	.LBE30
	.byte	0x6
	.8byte	.LBB63
	.8byte	.LBE63
	.byte	0x6
	.8byte	.LBB64
	.8byte	.LBE64
	.byte	0x6
	.8byte	.LBB65
	.8byte	.LBE65
	.byte	0x6
	.8byte	.LBB66
	.8byte	.LBE66
	.byte	0x6
	.8byte	.LBB92
	.8byte	.LBE92
	.byte	0
.LLRL8:
	.byte	0x6
	.8byte	.LBB31
	.8byte	.LBE31
	.byte	0x6
	.8byte	.LBB40
	.8byte	.LBE40
	.byte	0x6
	.8byte	.LBB47
	.8byte	.LBE47
	.byte	0x6
	.8byte	.LBB53
	.8byte	.LBE53
	.byte	0x6
	.8byte	.LBB55
	.8byte	.LBE55
	.byte	0x6
	.8byte	.LBB60
	.8byte	.LBE60
	.byte	0x6
	.8byte	.LBB61
	.8byte	.LBE61
	.byte	0x6
	.8byte	.LBB62
	.8byte	.LBE62
	.byte	0
.LLRL10:
	.byte	0x6
	.8byte	.LBB41
	.8byte	.LBE41
	.byte	0x6
	.8byte	.LBB48
	.8byte	.LBE48
	.byte	0x6
	.8byte	.LBB54
	.8byte	.LBE54
	.byte	0x6
	.8byte	.LBB56
	.8byte	.LBE56
	.byte	0x6
	.8byte	.LBB58
	.8byte	.LBE58
	.byte	0
.LLRL11:
	.byte	0x6
	.8byte	.LBB49
	.8byte	.LBE49
	.byte	0x6
	.8byte	.LBB57
	.8byte	.LBE57
	.byte	0x6
	.8byte	.LBB59
	.8byte	.LBE59
	.byte	0
.LLRL13:
	.byte	0x6
	.8byte	.LBB67
	.8byte	.LBE67
	.byte	0x6
	.8byte	.LBB70
	.8byte	.LBE70
	.byte	0
.LLRL14:
	.byte	0x6
	.8byte	.LBB71
	.8byte	.LBE71
	.byte	0x6
	.8byte	.LBB84
	.8byte	.LBE84
	.byte	0x6
	.8byte	.LBB85
	.8byte	.LBE85
	.byte	0
.LLRL16:
	.byte	0x6
	.8byte	.LBB72
	.8byte	.LBE72
	.byte	0x6
	.8byte	.LBB80
	.8byte	.LBE80
	.byte	0x6
	.8byte	.LBB81
	.8byte	.LBE81
	.byte	0x6
	.8byte	.LBB82
	.8byte	.LBE82
	.byte	0
.LLRL17:
	.byte	0x6
	.8byte	.LBB77
	.8byte	.LBE77
	.byte	0x6
	.8byte	.LBB83
	.8byte	.LBE83
	.byte	0
.LLRL19:
	.byte	0x6
	.8byte	.LBB86
	.8byte	.LBE86
	.byte	0x6
	.8byte	.LBB90
	.8byte	.LBE90
	.byte	0x6
	.8byte	.LBB91
	.8byte	.LBE91
	.byte	0
.LLRL22:
	.byte	0x6
	.8byte	.Ltext0
	.8byte	.Letext0
	.byte	0x6
	.8byte	.LFB6
	.8byte	.LFE6
	.byte	0
.Ldebug_ranges3:
	.section	.debug_line,"",@progbits
.Ldebug_line0:
	.section	.debug_str,"MS",@progbits,1
.LASF3:
	.string	"unsigned int"
.LASF15:
	.string	"items"
.LASF21:
	.string	"tohost"
.LASF22:
	.string	"item"
.LASF18:
	.string	"walk"
.LASF2:
	.string	"long unsigned int"
.LASF20:
	.string	"GNU C17 12.2.0"
.LASF17:
	.string	"atomics"
.LASF23:
	.string	"_start"
.LASF7:
	.string	"char"
.LASF4:
	.string	"long int"
.LASF13:
	.string	"next"
.LASF6:
	.string	"cells"
.LASF5:
	.string	"seed"
.LASF19:
	.string	"choose"
.LASF9:
	.string	"words"
.LASF8:
	.string	"total"
.LASF16:
	.string	"main"
.LASF12:
	.string	"value"
.LASF14:
	.string	"short int"
.LASF11:
	.string	"weight"
.LASF10:
	.string	"masks"
	.section	.debug_line_str,"MS",@progbits,1
.LASF0:
	.string	"compiled.c"
.LASF1:
	.string	"."
	.ident	"GCC: (12.2.0-14+deb12u1+11+b2) 12.2.0"
