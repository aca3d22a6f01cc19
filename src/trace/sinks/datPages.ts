// The pages of a trace.dat: the kernel's ring buffer pages, of one CPU.
//
//     u64 time of the first record | u64 bytes of data | data: entries
//     entry: u32 with 5 bits of length in words (0: a u32 length follows) and 27 bits of time since the one before
//     time extend: u32 with length 30 and the low 27 bits of the time, then a u32 with the rest
//
// Source: include/linux/ring_buffer.h, `man trace-cmd.dat`.

import { bug } from '../../units.ts';

export const PAGE_BYTES = 4096;
const HEAD_BYTES = 16;
const MAX_SHORT_WORDS = 28;
const TIME_EXTEND = 30;
const DELTA_SPAN = 2 ** 27;
/** Of an entry and a time extend before it. */
const MAX_OVERHEAD = 16;

export class DatPages {
  readonly #take: (page: Uint8Array) => void;
  readonly #page = new Uint8Array(PAGE_BYTES);
  /** The page that is being filled. */
  readonly view = new DataView(this.#page.buffer);
  #end = 0;
  #lastTime = 0;
  /** Pages handed out. */
  count = 0;

  /** `take` gets each full page, in memory that is reused. */
  constructor(take: (page: Uint8Array) => void) {
    this.#take = take;
  }

  /**
   * Room in `view` for a record of `size` bytes (a multiple of 4) at `time`, in ns, not before the last one: its
   * offset.
   */
  add(time: number, size: number): number {
    if (size + HEAD_BYTES + MAX_OVERHEAD > PAGE_BYTES) bug('a trace record larger than a page', { size });
    if (this.#end === 0 || this.#end + size + MAX_OVERHEAD > PAGE_BYTES) this.#startPage(time);
    this.#writeHead(this.#delta(time), size);
    const offset = this.#end;
    this.#end += size;
    return offset;
  }

  /** Hands out the last page. */
  flush(): void {
    if (this.#end === 0) return;
    this.view.setUint32(8, this.#end - HEAD_BYTES, true);
    this.#take(this.#page);
    this.count++;
    this.#page.fill(0);
    this.#end = 0;
  }

  #startPage(time: number): void {
    this.flush();
    this.#write64(0, time);
    this.#end = HEAD_BYTES;
    this.#lastTime = time;
  }

  /** Time since the last record; what an entry has no room for goes into a time extend. */
  #delta(time: number): number {
    const delta = time - this.#lastTime;
    this.#lastTime = time;
    if (delta < DELTA_SPAN) return delta;
    this.view.setUint32(this.#end, TIME_EXTEND + (delta % DELTA_SPAN) * 32, true);
    this.view.setUint32(this.#end + 4, Math.floor(delta / DELTA_SPAN), true);
    this.#end += 8;
    return 0;
  }

  #writeHead(delta: number, size: number): void {
    const words = size / 4;
    const short = words <= MAX_SHORT_WORDS;
    this.view.setUint32(this.#end, (short ? words : 0) + delta * 32, true);
    this.#end += 4;
    if (short) return;
    this.view.setUint32(this.#end, size + 4, true);
    this.#end += 4;
  }

  #write64(at: number, value: number): void {
    this.view.setUint32(at, value, true);
    this.view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }
}
