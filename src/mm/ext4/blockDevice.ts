// What a file system wants of its disk, and the one that lives in memory.
//
// blockIo.ts submits. A device moves the bytes before submit() returns and reports how it went by done(); when the host
// hears of it is the host's virtual time.

import { PAGE_SIZE } from '../../units.ts';

export interface BlockRequest {
  readonly write: boolean;
  /** Number of the 4096-byte block. */
  readonly block: number;
  /** The bytes of the frame (write), or where the block's bytes go (read). */
  readonly memory: Uint8Array;
  /** A method of the request: called once, before or after submit() returns; 0 or an errno. */
  done(errno: number): void;
}

export interface BlockDevice {
  /** Blocks, numbered from 0. */
  readonly blocks: number;
  submit(request: BlockRequest): void;
}

/** A disk in memory; grows as blocks are first written. */
export class MemoryBlockDevice implements BlockDevice {
  readonly blocks: number;
  readonly #content: (Uint8Array | undefined)[] = [];

  constructor(blocks: number) {
    this.blocks = blocks;
  }

  submit(request: BlockRequest): void {
    const block = this.#content[request.block] ?? new Uint8Array(PAGE_SIZE);
    if (request.write) {
      block.set(request.memory);
      this.#content[request.block] = block;
    } else request.memory.set(block);
    request.done(0);
  }
}
