// What the host wants of a swap device, and the one that lives in memory.
//
// swapIo.ts submits; the machine builds the device (a file in platform/, or this one). A device moves the bytes before
// submit() returns and reports how it went by done(); when the host hears of it is the host's virtual time.

import { PAGE_SIZE, type SwapSlot } from '../../units.ts';

export interface SwapRequest {
  readonly write: boolean;
  readonly slot: SwapSlot;
  /** The 4096 bytes of the frame (write), or where the slot's bytes go (read). */
  readonly memory: Uint8Array;
  /** A method of the request: called once, before or after submit() returns; 0 or an errno. */
  done(errno: number): void;
}

export interface SwapDevice {
  /** Slots, the header (slot 0, never used) included; at most 2^21. */
  readonly slots: number;
  /** submit() is done when it returns: pages are read past the swap cache (SWP_SYNCHRONOUS_IO). */
  readonly isSynchronous?: boolean;
  submit(request: SwapRequest): void;
}

/** A swap device in memory; grows as slots are first written. */
export class MemorySwapDevice implements SwapDevice {
  readonly slots: number;
  readonly isSynchronous: boolean;
  readonly #pages: (Uint8Array | undefined)[] = [];

  /** `slots` counts the header: a device of n pages has n + 1 slots. */
  constructor(slots: number, isSynchronous = false) {
    this.slots = slots;
    this.isSynchronous = isSynchronous;
  }

  /** All slots have their pages from now on, so that none is made later. */
  makePages(): void {
    for (let slot = 0; slot < this.slots; slot++) this.#pages[slot] ??= new Uint8Array(PAGE_SIZE);
  }

  submit(request: SwapRequest): void {
    let page = this.#pages[request.slot];
    if (page === undefined) {
      page = new Uint8Array(PAGE_SIZE);
      this.#pages[request.slot] = page;
    }
    if (request.write) page.set(request.memory);
    else request.memory.set(page);
    request.done(0);
  }
}
