// Where a sink keeps what it can write only later: in memory, or wherever platform/ has room for more.

export interface Spool {
  /** Copies the bytes. */
  append(bytes: Uint8Array): void;
  /** Hands out everything, in order and in pieces, and forgets it. */
  drain(take: (bytes: Uint8Array) => void): void;
}

export class MemorySpool implements Spool {
  #pieces: Uint8Array[] = [];

  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
  }

  drain(take: (bytes: Uint8Array) => void): void {
    for (const piece of this.#pieces) take(piece);
    this.#pieces = [];
  }
}
