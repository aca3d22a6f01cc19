// The instruction set: encoding table, decoder, encoder, disassembler, and the names of registers and CSRs.

export { Csr, csrName, csrNumber } from './csr.ts';
export { DECODED_WORDS, decode, lengthOf, opOf, rdOf, rs1Of, rs2Of } from './decode.ts';
export { type DisassembleOptions, disassemble } from './disassemble.ts';
export { encode } from './encode.ts';
export {
  ENCODINGS,
  type Encoding,
  encodingOf,
  Format,
  type FormatId,
  OP_COUNT,
  Op,
  type OpName,
} from './encoding.ts';
export { REGISTER_NAMES, registerName, registerNumber } from './registers.ts';
