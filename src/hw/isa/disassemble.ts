// Disassemble: an instruction word as text in the style of GNU objdump.
//
// Called by traces, failure reports and tests. Decodes with decode.ts and names what came out; 16-bit instructions show
// the instruction that they expand to.
//
// Invariant: assembling the text of a 4-byte word at the same pc gives the word back. A word that has no such text,
// because it is illegal or sets bits that hardware ignores, shows as .4byte (or .2byte).

import { hex } from '../../units.ts';
import { csrName } from './csr.ts';
import { decode, lengthOf, opOf, rdOf, rs1Of, rs2Of } from './decode.ts';
import { encode } from './encode.ts';
import { encodingOf, Format, Op } from './encoding.ts';
import { type Operands, pseudo } from './pseudo.ts';
import { registerName } from './registers.ts';

export interface DisassembleOptions {
  /** Show pseudo-instructions (`ret`, `li`, `beqz`, ...) where one fits; default true. */
  readonly pseudos?: boolean;
}

/**
 * Text of the instruction `word` at address `pc`: mnemonic, tab, operands. Of a word whose low two bits are not 11, only
 * the low 16 bits count. Never fails.
 */
export function disassemble(word: number, pc: number, options: DisassembleOptions = {}): string {
  const out = new Int32Array(2);
  decode(word, out, 0);
  const decoded = out[0]!;
  const imm = out[1]!;
  const op = opOf(decoded);
  const operands: Operands = {
    rd: rdOf(decoded),
    rs1: rs1Of(decoded),
    rs2: rs2Of(decoded),
    imm,
    target: hex(pc + imm),
  };
  if (op === Op.illegal) return lengthOf(decoded) === 2 ? `.2byte\t${hex(imm)}` : rawWord(word);
  if (lengthOf(decoded) === 4 && !isCanonical(word, op, operands)) return rawWord(word);
  const short = options.pseudos === false ? undefined : pseudo(op, operands);
  return short ?? plain(op, operands);
}

const rawWord = (word: number): string => `.4byte\t${hex(word >>> 0)}`;

/** False where the word sets bits that its format ignores. */
const isCanonical = (word: number, op: number, o: Operands): boolean =>
  encode(op, o.rd, o.rs1, o.rs2, o.imm) === (word | 0) && !(op === Op.fence && o.imm > 0xff && o.imm !== TSO);

/** fence.tso: fm = 1000, pred = succ = rw. */
const TSO = 0x833;

const ORDERING = ['', '.rl', '.aq', '.aqrl'] as const;

function plain(op: number, o: Operands): string {
  const { mnemonic, format } = encodingOf(op);
  if (op === Op.fence && o.imm === TSO) return 'fence.tso';
  const suffix = format === Format.amo || format === Format.lr ? ORDERING[o.imm & 3]! : '';
  const text = operandText(format, o);
  return text === '' ? mnemonic : `${mnemonic}${suffix}\t${text}`;
}

function operandText(format: number, o: Operands): string {
  const rd = registerName(o.rd);
  const rs1 = registerName(o.rs1);
  const rs2 = registerName(o.rs2);
  switch (format) {
    case Format.r:
      return `${rd},${rs1},${rs2}`;
    case Format.i:
      return `${rd},${rs1},${o.imm}`;
    case Format.shift:
    case Format.shiftw:
      return `${rd},${rs1},${hex(o.imm)}`;
    case Format.load:
    case Format.jalr:
      return `${rd},${o.imm}(${rs1})`;
    case Format.store:
      return `${rs2},${o.imm}(${rs1})`;
    case Format.branch:
      return `${rs1},${rs2},${o.target}`;
    case Format.u:
      return `${rd},${hex(o.imm >>> 12)}`;
    case Format.j:
      return `${rd},${o.target}`;
    case Format.amo:
      return `${rd},${rs2},(${rs1})`;
    case Format.lr:
      return `${rd},(${rs1})`;
    case Format.csr:
      return `${rd},${csrName(o.imm)},${rs1}`;
    case Format.csri:
      return `${rd},${csrName(o.imm)},${o.rs1}`;
    case Format.fence:
      return `${fenceSet(o.imm >>> 4)},${fenceSet(o.imm)}`;
    case Format.sfence:
      return `${rs1},${rs2}`;
    default:
      return '';
  }
}

const FENCE_LETTERS = 'wroi';

/** A fence set in the order that GNU uses: "iorw"; the empty set is 0. */
function fenceSet(bits: number): string {
  let text = '';
  for (let bit = 3; bit >= 0; bit--) {
    if ((bits & (1 << bit)) !== 0) text += FENCE_LETTERS[bit];
  }
  return text === '' ? '0' : text;
}
