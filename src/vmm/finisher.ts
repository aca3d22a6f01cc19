// The SiFive test finisher: the guest stores one word and the machine ends.
//
// Attached to the bus by board.ts. Widths and values are those of QEMU's hw/misc/sifive_test.c; other values do
// nothing. A reset ends the run as well, as `qemu -no-reboot` does.

import type { AccessLength, Device } from './bus.ts';
import { exited, type StopRecord } from './stop.ts';

/** What the guest stores; a failure's code stands in the upper half. */
export const Finish = { fail: 0x3333, pass: 0x5555, reset: 0x7777 } as const;

export class Finisher implements Device {
  readonly base: number;
  readonly size = 0x1000;
  readonly #stop: (record: StopRecord) => void;

  constructor(base: number, stop: (record: StopRecord) => void) {
    this.base = base;
    this.#stop = stop;
  }

  read(_offset: number, length: AccessLength): boolean {
    return isWord(length);
  }

  write(offset: number, length: AccessLength, lo: number): boolean {
    if (!isWord(length)) return false;
    if (offset === 0) this.#finish(lo & 0xffff, length === 4 ? lo >>> 16 : 0);
    return true;
  }

  #finish(status: number, code: number): void {
    if (status === Finish.pass) this.#stop(exited('finisher', 0));
    else if (status === Finish.reset) this.#stop(exited('finisher', 0, 'reset'));
    else if (status === Finish.fail && code !== 0) this.#stop(exited('finisher', code));
    else if (status === Finish.fail) this.#stop(exited('finisher', 1, 'failure without a code'));
  }
}

const isWord = (length: AccessLength): boolean => length === 2 || length === 4;
