// The interpreter: runs decoded instructions until something needs the run loop.
//
// hart.run() calls it; it serves cold code, single steps, the exact end of a budget and whatever translated code leaves
// behind. It executes on the vCPU block, probes the first-level TLB inline, and hands rare instructions to execute.ts and
// missed accesses to memoryOps.ts. Decoded pages come from codeCache.ts, odd instructions from oddFetches.ts.
//
// Invariants: the fetch entry of the page that it runs in is valid, because only what leaves this function (traps, CSR
// writes, fences) can take it away; it is looked up again at each change of page. Within the function pc and budget live
// in locals; they are in the block whenever another file is called. It returns after at least one instruction that
// retired, trapped or exited.
//
// Written for V8: one function without calls on the hot path, the switches in the order of how often instructions occur,
// because V8 tests the cases one after the other; a few comparisons of ids come first (isa/encoding.ts: jumps, then
// memory, then arithmetic). It is why this file is long, and where it must not be split.

import type { Pfn } from '../../units.ts';
import { Op } from '../isa/index.ts';
import { NOWHERE, translateFetch } from './access.ts';
import { mul } from './alu64.ts';
import {
  BLOCK_BUDGET,
  BLOCK_DTLB,
  BLOCK_EXIT,
  BLOCK_ITLB,
  BLOCK_PC,
  Exit,
  type ExitReason,
} from './block.ts';
import { execute } from './execute.ts';
import type { Hart } from './hart.ts';
import { ACCESS_BYTES, load, store } from './memoryOps.ts';
import { crossingWords, fetchAlone, fetchCrossing, lonePage } from './oddFetches.ts';
import { OP_CROSSING, OP_REFETCH } from './pseudoOps.ts';
import { Step } from './system.ts';

const PC = BLOCK_PC >> 2;
const BUDGET = BLOCK_BUDGET >> 2;
const EXIT = BLOCK_EXIT >> 2;
const PAGE_MASK = ~4095;
/** No jump: offsets are even. */
const STRAIGHT = -1;

/** Brings pc and budget to where other files look for them. */
function park(x: Int32Array, lo: number, hi: number, budget: number): void {
  x[PC] = lo;
  x[PC + 1] = hi;
  x[BUDGET] = budget;
}

/** Puts the pc of byte `off` (any integer) of the page at page/pageHi into the block. */
function putPc(x: Int32Array, page: number, pageHi: number, off: number): void {
  const lo = (page + off) | 0;
  const carry = off >= 0 ? (lo >>> 0 < page >>> 0 ? 1 : 0) : lo >>> 0 > page >>> 0 ? -1 : 0;
  x[PC] = lo;
  x[PC + 1] = pageHi + carry;
}

/** Executes at least one instruction; Exit.none: the run loop should look again. Else why to leave. */
export function interpret(hart: Hart): ExitReason {
  const x = hart.block;
  const { i32, u16, u8 } = hart.memory;
  const { code } = hart;
  const { translator } = code;
  const hotAt = translator === null ? -1 : translator.hotAt;
  const unchecked = hart.checker === null;
  const { dtlbMask, itlbMask } = hart;
  const dtlb = x[BLOCK_DTLB >> 2]! >>> 2;
  const itlb = x[BLOCK_ITLB >> 2]! >>> 2;
  const start = x[BUDGET]!;
  let budget = start;

  pages: while (budget > 0) {
    const pcLo = x[PC]!;
    const pageHi = x[PC + 1]!;
    const page = pcLo & PAGE_MASK;
    const f = itlb + ((pcLo >>> 10) & itlbMask);
    const hit = i32[f] === page && i32[f + 1] === pageHi && unchecked;
    const frame = hit ? (page + i32[f + 2]!) >>> 0 : translateFetch(hart, pcLo, pageHi);
    if (frame === NOWHERE) return x[EXIT] as ExitReason;
    const isAlone = !hit && hart.alone;
    if (isAlone && !fetchAlone(hart, frame)) return x[EXIT] as ExitReason;
    const codePage = isAlone ? lonePage : code.page((frame >>> 12) as Pfn);
    const { arrivals, heat } = codePage;
    let { words } = codePage;
    let off = pcLo & 4095;
    if (budget !== start) {
      if (words[off]! < 0) return Exit.none;
      if (++heat[off >>> 1]! === hotAt) translator!.noteHot(codePage, off);
    }

    for (;;) {
      const w = words[off]!;
      const imm = words[off + 1]!;
      const d = (w >>> 7) & 62;
      const s = (w >>> 12) & 62;
      const t = (w >>> 17) & 62;
      let next = STRAIGHT;
      const op = w & 255;
      if (op >= Op.addi) {
        switch (op) {
          case Op.addi: {
            const a = x[s]!;
            const lo = (a + imm) | 0;
            x[d + 1] = x[s + 1]! + (imm >> 31) + (lo >>> 0 < a >>> 0 ? 1 : 0);
            x[d] = lo;
            break;
          }
          case Op.add: {
            const a = x[s]!;
            const lo = (a + x[t]!) | 0;
            x[d + 1] = x[s + 1]! + x[t + 1]! + (lo >>> 0 < a >>> 0 ? 1 : 0);
            x[d] = lo;
            break;
          }
          case Op.addiw: {
            const value = (x[s]! + imm) | 0;
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.slli: {
            const lo = x[s]!;
            if (imm < 32) {
              x[d + 1] = (x[s + 1]! << imm) | ((lo >>> 1) >>> (31 - imm));
              x[d] = lo << imm;
            } else {
              x[d + 1] = lo << imm;
              x[d] = 0;
            }
            break;
          }
          case Op.addw: {
            const value = (x[s]! + x[t]!) | 0;
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.andi:
            x[d] = x[s]! & imm;
            x[d + 1] = x[s + 1]! & (imm >> 31);
            break;
          case Op.srli: {
            const hi = x[s + 1]!;
            if (imm < 32) {
              x[d] = (x[s]! >>> imm) | ((hi << 1) << (31 - imm));
              x[d + 1] = hi >>> imm;
            } else {
              x[d] = hi >>> imm;
              x[d + 1] = 0;
            }
            break;
          }
          case Op.mul:
            mul(x, d, x[s]!, x[s + 1]!, x[t]!, x[t + 1]!);
            break;
          case Op.or:
            x[d] = x[s]! | x[t]!;
            x[d + 1] = x[s + 1]! | x[t + 1]!;
            break;
          case Op.xor:
            x[d] = x[s]! ^ x[t]!;
            x[d + 1] = x[s + 1]! ^ x[t + 1]!;
            break;
          case Op.and:
            x[d] = x[s]! & x[t]!;
            x[d + 1] = x[s + 1]! & x[t + 1]!;
            break;
          case Op.sub: {
            const a = x[s]!;
            const b = x[t]!;
            x[d + 1] = x[s + 1]! - x[t + 1]! - (a >>> 0 < b >>> 0 ? 1 : 0);
            x[d] = a - b;
            break;
          }
          case Op.subw: {
            const value = (x[s]! - x[t]!) | 0;
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.sltu: {
            const aHi = x[s + 1]! >>> 0;
            const bHi = x[t + 1]! >>> 0;
            x[d] = aHi < bHi || (aHi === bHi && x[s]! >>> 0 < x[t]! >>> 0) ? 1 : 0;
            x[d + 1] = 0;
            break;
          }
          case Op.sltiu: {
            const aHi = x[s + 1]! >>> 0;
            const bHi = (imm >> 31) >>> 0;
            x[d] = aHi < bHi || (aHi === bHi && x[s]! >>> 0 < imm >>> 0) ? 1 : 0;
            x[d + 1] = 0;
            break;
          }
          case Op.slt: {
            const aHi = x[s + 1]!;
            const bHi = x[t + 1]!;
            x[d] = aHi < bHi || (aHi === bHi && x[s]! >>> 0 < x[t]! >>> 0) ? 1 : 0;
            x[d + 1] = 0;
            break;
          }
          case Op.slti: {
            const aHi = x[s + 1]!;
            const bHi = imm >> 31;
            x[d] = aHi < bHi || (aHi === bHi && x[s]! >>> 0 < imm >>> 0) ? 1 : 0;
            x[d + 1] = 0;
            break;
          }
          case Op.mulw: {
            const value = Math.imul(x[s]!, x[t]!);
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.srai: {
            const hi = x[s + 1]!;
            if (imm < 32) {
              x[d] = (x[s]! >>> imm) | ((hi << 1) << (31 - imm));
              x[d + 1] = hi >> imm;
            } else {
              x[d] = hi >> imm;
              x[d + 1] = hi >> 31;
            }
            break;
          }
          case Op.slliw: {
            const value = x[s]! << imm;
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.srliw: {
            const value = (x[s]! >>> imm) | 0;
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.sraiw: {
            const value = x[s]! >> imm;
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.sll: {
            const n = x[t]! & 63;
            const lo = x[s]!;
            if (n < 32) {
              x[d + 1] = (x[s + 1]! << n) | ((lo >>> 1) >>> (31 - n));
              x[d] = lo << n;
            } else {
              x[d + 1] = lo << n;
              x[d] = 0;
            }
            break;
          }
          case Op.srl: {
            const n = x[t]! & 63;
            const hi = x[s + 1]!;
            if (n < 32) {
              x[d] = (x[s]! >>> n) | ((hi << 1) << (31 - n));
              x[d + 1] = hi >>> n;
            } else {
              x[d] = hi >>> n;
              x[d + 1] = 0;
            }
            break;
          }
          case Op.sra: {
            const n = x[t]! & 63;
            const hi = x[s + 1]!;
            if (n < 32) {
              x[d] = (x[s]! >>> n) | ((hi << 1) << (31 - n));
              x[d + 1] = hi >> n;
            } else {
              x[d] = hi >> n;
              x[d + 1] = hi >> 31;
            }
            break;
          }
          case Op.sllw: {
            const value = x[s]! << (x[t]! & 31);
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.srlw: {
            const value = (x[s]! >>> (x[t]! & 31)) | 0;
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.sraw: {
            const value = x[s]! >> (x[t]! & 31);
            x[d] = value;
            x[d + 1] = value >> 31;
            break;
          }
          case Op.xori:
            x[d] = x[s]! ^ imm;
            x[d + 1] = x[s + 1]! ^ (imm >> 31);
            break;
          case Op.ori:
            x[d] = x[s]! | imm;
            x[d + 1] = x[s + 1]! | (imm >> 31);
            break;
          case Op.fence:
          case Op.fence_i:
            break;
          case OP_REFETCH:
            putPc(x, page, pageHi, off);
            x[BUDGET] = budget;
            continue pages;
          case OP_CROSSING:
            park(x, page | off, pageHi, budget);
            if (!fetchCrossing(hart, frame)) return x[EXIT] as ExitReason;
            words = crossingWords;
            continue;
          default:
            park(x, page | off, pageHi, budget);
            if (execute(hart, w, imm) !== Step.next) return x[EXIT] as ExitReason;
        }
      } else if (op >= Op.lb) {
        const a = x[s]!;
        const lo = (a + imm) | 0;
        const hi = (x[s + 1]! + (imm >> 31) + (lo >>> 0 < a >>> 0 ? 1 : 0)) | 0;
        const e = dtlb + ((lo >>> 9) & dtlbMask);
        const tag = lo & (ACCESS_BYTES[op]! - 4097);
        const host = lo + i32[e + 4]!;
        if (op <= Op.lwu) {
          if (i32[e] !== tag || i32[e + 1] !== hi || !unchecked) {
            park(x, page | off, pageHi, budget);
            if (!load(hart, w, lo, hi)) return x[EXIT] as ExitReason;
          } else if (d !== 0) {
            switch (op) {
              case Op.ld:
                x[d] = i32[host >>> 2]!;
                x[d + 1] = i32[(host >>> 2) + 1]!;
                break;
              case Op.lw: {
                const value = i32[host >>> 2]!;
                x[d] = value;
                x[d + 1] = value >> 31;
                break;
              }
              case Op.lbu:
                x[d] = u8[host >>> 0]!;
                x[d + 1] = 0;
                break;
              case Op.lhu:
                x[d] = u16[host >>> 1]!;
                x[d + 1] = 0;
                break;
              case Op.lwu:
                x[d] = i32[host >>> 2]!;
                x[d + 1] = 0;
                break;
              case Op.lh: {
                const value = (u16[host >>> 1]! << 16) >> 16;
                x[d] = value;
                x[d + 1] = value >> 31;
                break;
              }
              default: {
                const value = (u8[host >>> 0]! << 24) >> 24;
                x[d] = value;
                x[d + 1] = value >> 31;
              }
            }
          }
        } else if (i32[e + 2] !== tag || i32[e + 3] !== hi || !unchecked) {
          park(x, page | off, pageHi, budget);
          if (!store(hart, w, lo, hi)) return x[EXIT] as ExitReason;
        } else {
          switch (op) {
            case Op.sd:
              i32[host >>> 2] = x[t]!;
              i32[(host >>> 2) + 1] = x[t + 1]!;
              break;
            case Op.sw:
              i32[host >>> 2] = x[t]!;
              break;
            case Op.sb:
              u8[host >>> 0] = x[t]!;
              break;
            default:
              u16[host >>> 1] = x[t]!;
          }
        }
      } else {
        switch (op) {
          case Op.bne:
            if (x[s] !== x[t] || x[s + 1] !== x[t + 1]) next = off + imm;
            break;
          case Op.beq:
            if (x[s] === x[t] && x[s + 1] === x[t + 1]) next = off + imm;
            break;
          case Op.jal: {
            const link = (page + off + ((w >>> 23) & 7)) | 0;
            if (d !== 0) {
              x[d] = link;
              x[d + 1] = pageHi + (link >>> 0 < page >>> 0 ? 1 : 0);
            }
            next = off + imm;
            break;
          }
          case Op.jalr: {
            const a = x[s]!;
            const lo = (a + imm) | 0;
            const hi = (x[s + 1]! + (imm >> 31) + (lo >>> 0 < a >>> 0 ? 1 : 0)) | 0;
            if (d !== 0) {
              const link = (page + off + ((w >>> 23) & 7)) | 0;
              x[d] = link;
              x[d + 1] = pageHi + (link >>> 0 < page >>> 0 ? 1 : 0);
            }
            if ((lo & PAGE_MASK) === page && hi === pageHi) {
              next = lo & 4094;
              if (d === 0) arrivals[next >>> 1]!++;
              break;
            }
            x[PC] = lo & ~1;
            x[PC + 1] = hi;
            x[BUDGET] = --budget;
            continue pages;
          }
          case Op.bltu: {
            const aHi = x[s + 1]! >>> 0;
            const bHi = x[t + 1]! >>> 0;
            if (aHi < bHi || (aHi === bHi && x[s]! >>> 0 < x[t]! >>> 0)) next = off + imm;
            break;
          }
          case Op.bgeu: {
            const aHi = x[s + 1]! >>> 0;
            const bHi = x[t + 1]! >>> 0;
            if (aHi > bHi || (aHi === bHi && x[s]! >>> 0 >= x[t]! >>> 0)) next = off + imm;
            break;
          }
          case Op.blt: {
            const aHi = x[s + 1]!;
            const bHi = x[t + 1]!;
            if (aHi < bHi || (aHi === bHi && x[s]! >>> 0 < x[t]! >>> 0)) next = off + imm;
            break;
          }
          case Op.bge: {
            const aHi = x[s + 1]!;
            const bHi = x[t + 1]!;
            if (aHi > bHi || (aHi === bHi && x[s]! >>> 0 >= x[t]! >>> 0)) next = off + imm;
            break;
          }
          case Op.lui:
            x[d] = imm;
            x[d + 1] = imm >> 31;
            break;
          case Op.auipc: {
            const pc = page | off;
            const lo = (pc + imm) | 0;
            x[d] = lo;
            x[d + 1] = pageHi + (imm >> 31) + (lo >>> 0 < pc >>> 0 ? 1 : 0);
            break;
          }
          default:
            if (w === 0) {
              code.decodeAt(codePage, off);
              continue;
            }
            park(x, page | off, pageHi, budget);
            execute(hart, w, imm);
            return x[EXIT] as ExitReason;
        }
      }
      budget--;
      if (next === STRAIGHT) {
        off += (w >>> 23) & 7;
        if (budget > 0) continue;
      } else {
        const backwards = next <= off;
        off = next;
        if (budget > 0 && off >>> 0 < 4096 && words[off]! >= 0) {
          if (backwards && ++heat[off >>> 1]! === hotAt) translator!.noteHot(codePage, off);
          continue;
        }
      }
      putPc(x, page, pageHi, off);
      x[BUDGET] = budget;
      continue pages;
    }
  }
  return Exit.none;
}
