// A guest that fills a megabyte and verifies it: what the examples of the documentation call FILL_AND_VERIFY.

export const FILL_AND_VERIFY = `
_start: la   s0, buffer
        li   s1, 1 << 20
        add  s1, s0, s1
        mv   a0, s0
fill:   sd   a0, 0(a0)
        addi a0, a0, 256
        bltu a0, s1, fill
verify: ld   a1, 0(s0)
        bne  a1, s0, end
        addi s0, s0, 256
        bltu s0, s1, verify
        li   a2, 0x5555
end:    li   a3, 0x100000
        sw   a2, 0(a3)
        j    end
        .balign 4096
buffer:`;
