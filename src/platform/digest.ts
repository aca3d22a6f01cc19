// The digest of a run: SHA-256 over the ordered event stream, then the final guest memory and registers. Two runs are
// equal if and only if their digests are.
//
// cli/ hands `addRecords` to the trace ring as its `onFull` and the machine's final state to `addBytes`.

import { createHash, type Hash } from 'node:crypto';

export class Digest {
  readonly #hash: Hash = createHash('sha256');

  addRecords(records: Float64Array): void {
    this.addBytes(new Uint8Array(records.buffer, records.byteOffset, records.byteLength));
  }

  addBytes(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Ends the digest: "sha256:" and 64 hexadecimal digits. */
  finish(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}
