// Just enough of protobuf to write messages: varints, fixed 64-bit numbers, strings and nested messages.
//
// perfetto.ts builds its packets with it. A nested message's length is not known when it begins, so it has four bytes, of
// which a varint may leave any unused (as Perfetto's own writer does). Source: the encoding page of the protobuf
// documentation.

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const LENGTH_BYTES = 4;

export class ProtoWriter {
  #bytes = new Uint8Array(2 ** 16);
  #length = 0;
  /** Where the contents of the open messages begin. */
  readonly #open: number[] = [];

  /** Integers from -2^53 to 2^53; negative ones as int64. */
  varint(field: number, value: number): this {
    this.#reserve(20);
    this.#putVarint(field * 8 + VARINT);
    if (value >= 0) this.#putVarint(value);
    else this.#putNegative(BigInt.asUintN(64, BigInt(value)));
    return this;
  }

  /** Integers from 0 to 2^53. */
  fixed64(field: number, value: number): this {
    this.#reserve(20);
    this.#putVarint(field * 8 + FIXED64);
    for (let i = 0, rest = value; i < 8; i++, rest = Math.floor(rest / 256)) this.#put(rest & 255);
    return this;
  }

  string(field: number, text: string): this {
    this.#reserve(20 + 3 * text.length);
    this.#putVarint(field * 8 + LENGTH);
    const encoded = isAscii(text) ? null : new TextEncoder().encode(text);
    this.#putVarint(encoded?.length ?? text.length);
    if (encoded !== null) for (const byte of encoded) this.#put(byte);
    else for (let i = 0; i < text.length; i++) this.#put(text.charCodeAt(i));
    return this;
  }

  /** What is written up to its end() is a message in `field`. */
  begin(field: number): this {
    this.#reserve(20);
    this.#putVarint(field * 8 + LENGTH);
    this.#length += LENGTH_BYTES;
    this.#open.push(this.#length);
    return this;
  }

  end(): this {
    const start = this.#open.pop()!;
    let rest = this.#length - start;
    for (let i = LENGTH_BYTES; i > 0; i--) {
      this.#bytes[start - i] = (rest & 127) | (i > 1 ? 128 : 0);
      rest >>>= 7;
    }
    return this;
  }

  /** What was written since the last take(), all messages of which have ended; valid until more is written. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  #put(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }

  #putVarint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#put((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.#put(rest);
  }

  #putNegative(value: bigint): void {
    let rest = value;
    while (rest > 127n) {
      this.#put(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    this.#put(Number(rest));
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
