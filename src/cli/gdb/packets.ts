// The packets of GDB's remote protocol: "$data#sum", acknowledged by + until QStartNoAckMode, and a bare 0x03 for Ctrl-C.
//
// server.ts feeds it what arrives and sends what it frames. Source: "Remote Protocol" in the GDB manual. Data is text of
// one byte a character; binary packets (X) are answered as unknown, so none come.

export type Incoming =
  | { readonly kind: 'packet'; readonly data: string }
  | { readonly kind: 'interrupt' | 'bad' };

const INTERRUPT = '\x03';
/** No packet is longer: what is said in qSupported, and then some. */
const MAX_LENGTH = 2 ** 16;

export class PacketReader {
  #pending = '';

  /** What `bytes` complete, in order. */
  *take(bytes: Uint8Array): Iterable<Incoming> {
    for (const byte of bytes) this.#pending += String.fromCharCode(byte);
    for (;;) {
      const next = this.#next();
      if (next === null) return;
      yield next;
    }
  }

  #next(): Incoming | null {
    // Acknowledgements, and whatever is outside a packet.
    this.#skipNoise();
    if (this.#pending.startsWith(INTERRUPT)) {
      this.#pending = this.#pending.slice(1);
      return { kind: 'interrupt' };
    }
    const end = this.#pending.indexOf('#');
    if (end < 0 || this.#pending.length < end + 3) return this.#refuseEndless();
    const data = this.#pending.slice(1, end);
    const sum = Number.parseInt(this.#pending.slice(end + 1, end + 3), 16);
    this.#pending = this.#pending.slice(end + 3);
    return sum === checksum(data) ? { kind: 'packet', data } : { kind: 'bad' };
  }

  #skipNoise(): void {
    let start = 0;
    while (start < this.#pending.length && !'$\x03'.includes(this.#pending[start]!)) start++;
    this.#pending = this.#pending.slice(start);
  }

  #refuseEndless(): Incoming | null {
    if (this.#pending.length <= MAX_LENGTH) return null;
    this.#pending = '';
    return { kind: 'bad' };
  }
}

function checksum(data: string): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum = (sum + data.charCodeAt(i)) & 255;
  return sum;
}

/** A packet with `data`; the four characters that have a meaning are escaped. */
export function frame(data: string): string {
  const escaped = data.replace(/[#$}*]/g, (c) => `}${String.fromCharCode(c.charCodeAt(0) ^ 0x20)}`);
  return `$${escaped}#${checksum(escaped).toString(16).padStart(2, '0')}`;
}

export const hexOfBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export const hexOfText = (text: string): string => hexOfBytes(new TextEncoder().encode(text));

/** Null if it is not hexadecimal bytes. */
export function bytesOfHex(hex: string): Uint8Array | null {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(hex)) return null;
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

/** A 64-bit word, little-endian. */
export function hexOfWord(lo: number, hi: number): string {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, lo, true);
  view.setInt32(4, hi, true);
  return hexOfBytes(bytes);
}
