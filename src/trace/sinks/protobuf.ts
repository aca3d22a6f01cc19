// Just enough of protobuf to write messages: varints, fixed 64-bit numbers, strings and messages.
//
// perfetto.ts builds its packets with it. Source: the encoding page of the protobuf documentation.

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;

export class Message {
  #bytes = new Uint8Array(64);
  #length = 0;

  /** Integers from -2^53 to 2^53; negative ones as int64. */
  varint(field: number, value: number): this {
    this.#putVarint(field * 8 + VARINT);
    if (value >= 0) this.#putVarint(value);
    else this.#putBigVarint(BigInt.asUintN(64, BigInt(value)));
    return this;
  }

  fixed64(field: number, value: number): this {
    this.#putVarint(field * 8 + FIXED64);
    const word = new DataView(new ArrayBuffer(8));
    word.setBigUint64(0, BigInt(value), true);
    return this.#put(new Uint8Array(word.buffer));
  }

  string(field: number, text: string): this {
    return this.#delimited(field, new TextEncoder().encode(text));
  }

  message(field: number, message: Message): this {
    return this.#delimited(field, message.bytes);
  }

  /** Valid until more is added. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #delimited(field: number, bytes: Uint8Array): this {
    this.#putVarint(field * 8 + LENGTH);
    this.#putVarint(bytes.length);
    return this.#put(bytes);
  }

  #putVarint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #putBigVarint(value: bigint): void {
    this.#reserve(10);
    let rest = value;
    while (rest > 127n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #put(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#length + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
