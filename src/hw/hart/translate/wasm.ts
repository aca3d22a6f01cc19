// WebAssembly code: opcodes, and the bytes of function bodies, as much of the format as translated code needs.
//
// Used by all that writes bodies: emitter.ts for those of regions, dispatcher.ts for its own; module.ts makes modules of
// them. Knows nothing of RISC-V. A body is written once, forwards, into a growing buffer.
//
// Source: WebAssembly Core Specification 2.0, chapter 5, "Binary Format", and its tail-call extension.

/** Value types and block types. */
export const Type = { i32: 0x7f, i64: 0x7e, none: 0x40 } as const;

/** Opcodes, named as in the text format with the dot as an underscore. */
export const W = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  return: 0x0f,
  call: 0x10,
  call_indirect: 0x11,
  return_call: 0x12,
  drop: 0x1a,
  select: 0x1b,
  local_get: 0x20,
  local_set: 0x21,
  local_tee: 0x22,
  i32_load: 0x28,
  i64_load: 0x29,
  i32_load8_u: 0x2d,
  i64_load8_s: 0x30,
  i64_load8_u: 0x31,
  i64_load16_s: 0x32,
  i64_load16_u: 0x33,
  i64_load32_s: 0x34,
  i64_load32_u: 0x35,
  i32_store: 0x36,
  i64_store: 0x37,
  i32_store8: 0x3a,
  i64_store8: 0x3c,
  i64_store16: 0x3d,
  i64_store32: 0x3e,
  i32_const: 0x41,
  i64_const: 0x42,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_ne: 0x47,
  i32_lt_s: 0x48,
  i32_lt_u: 0x49,
  i32_ge_s: 0x4e,
  i32_ge_u: 0x4f,
  i32_gt_s: 0x4a,
  i32_gt_u: 0x4b,
  i64_eqz: 0x50,
  i64_eq: 0x51,
  i64_ne: 0x52,
  i64_lt_s: 0x53,
  i64_lt_u: 0x54,
  i64_gt_s: 0x55,
  i64_gt_u: 0x56,
  i64_ge_s: 0x59,
  i64_ge_u: 0x5a,
  i32_add: 0x6a,
  i32_sub: 0x6b,
  i32_mul: 0x6c,
  i32_div_s: 0x6d,
  i32_div_u: 0x6e,
  i32_rem_s: 0x6f,
  i32_rem_u: 0x70,
  i32_and: 0x71,
  i32_or: 0x72,
  i32_xor: 0x73,
  i32_shl: 0x74,
  i32_shr_s: 0x75,
  i32_shr_u: 0x76,
  i64_add: 0x7c,
  i64_sub: 0x7d,
  i64_mul: 0x7e,
  i64_div_s: 0x7f,
  i64_div_u: 0x80,
  i64_rem_s: 0x81,
  i64_rem_u: 0x82,
  i64_and: 0x83,
  i64_or: 0x84,
  i64_xor: 0x85,
  i64_shl: 0x86,
  i64_shr_s: 0x87,
  i64_shr_u: 0x88,
  i32_wrap_i64: 0xa7,
  i64_extend_i32_s: 0xac,
  i64_extend_i32_u: 0xad,
  i64_extend32_s: 0xc4,
} as const;

/** A growing sequence of bytes with the format's number encodings and one method per shape of instruction. */
export class Code {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  /** Of conditional instructions of a function body: where each begins, and whether its condition mostly holds. */
  readonly hints: { readonly offset: number; readonly likely: boolean }[] = [];

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = value;
  }

  append(other: Code): void {
    this.grow(other.length);
    this.bytes.set(other.bytes.subarray(0, other.length), this.length);
    this.length += other.length;
  }

  /** Unsigned LEB128 of an integer in [0, 2^32). */
  unsigned(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest & 127) | 128);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of an integer below 2^53 in magnitude. */
  signed(value: number): void {
    let rest = value;
    while (rest !== (rest | 0)) {
      this.byte((rest & 127) | 128);
      rest = Math.floor(rest / 128);
    }
    while (rest < -64 || rest > 63) {
      this.byte((rest & 127) | 128);
      rest >>= 7;
    }
    this.byte(rest & 127);
  }

  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  i32Const(value: number): void {
    this.byte(W.i32_const);
    this.signed(value);
  }

  /** An i64 constant, given as an exact integer or as the unsigned 64-bit pattern of one. */
  i64Const(value: number): void {
    this.byte(W.i64_const);
    this.signed(value);
  }

  get(local: number): void {
    this.byte(W.local_get);
    this.unsigned(local);
  }

  set(local: number): void {
    this.byte(W.local_set);
    this.unsigned(local);
  }

  tee(local: number): void {
    this.byte(W.local_tee);
    this.unsigned(local);
  }

  /** A load or store at the address on the stack plus `offset`; the alignment hint is left at 1. */
  memory(opcode: number, offset: number): void {
    this.byte(opcode);
    this.byte(0);
    this.unsigned(offset);
  }

  /** memory.fill: the address, the byte and how many are on the stack. */
  memoryFill(): void {
    this.byte(0xfc);
    this.unsigned(11);
    this.byte(0);
  }

  /** block, loop or if, without parameters. */
  open(opcode: number, type: number = Type.none): void {
    this.byte(opcode);
    this.byte(type);
  }

  /** Says of the if or br_if that is written next whether its condition mostly holds. */
  expect(likely: boolean): void {
    this.hints.push({ offset: this.length, likely });
  }

  /** br or br_if. */
  branch(opcode: number, depth: number): void {
    this.byte(opcode);
    this.unsigned(depth);
  }

  private grow(room: number): void {
    if (this.length + room <= this.bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.bytes.length * 2, this.length + room));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }
}
