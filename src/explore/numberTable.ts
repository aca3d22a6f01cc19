// A hash table from whole numbers to a few 32-bit words each, in typed memory.
//
// A search looks something up at each step; a Map would box each of its keys, which are too large for small integers, and
// keep the collector busy with millions of them.
//
// Invariants: at most half of the places are taken; a place that placeOf() answered is good until the next placeOf().

/** No key. */
const EMPTY = -1;

export class NumberTable {
  /** Words of each key. */
  readonly #width: number;
  #keys: Float64Array;
  #mask: number;
  #size = 0;
  /** The words of the key at place p: from p on, as many as the width. */
  words: Int32Array;

  /** `places` is a power of two. */
  constructor(width: number, places = 256) {
    this.#width = width;
    this.#keys = new Float64Array(places).fill(EMPTY);
    this.#mask = places - 1;
    this.words = new Int32Array(places * width);
  }

  /** Where the words of `key` (0 to 2^53 - 1) are; zeros, if it is new. */
  placeOf(key: number): number {
    const keys = this.#keys;
    let at = this.#find(key);
    if (keys[at] !== key) {
      if (++this.#size * 2 > keys.length) {
        this.#grow();
        at = this.#find(key);
      }
      this.#keys[at] = key;
    }
    return at * this.#width;
  }

  clear(): void {
    this.#keys.fill(EMPTY);
    this.words.fill(0);
    this.#size = 0;
  }

  /** Index of the key, or of the empty place where it belongs. */
  #find(key: number): number {
    const keys = this.#keys;
    const high = Math.floor(key / 2 ** 32) | 0;
    let at = Math.imul(Math.imul(key | 0, 0x9e3779b1) ^ high, 0x85ebca77);
    at = (at ^ (at >>> 15)) & this.#mask;
    while (keys[at] !== key && keys[at] !== EMPTY) at = (at + 1) & this.#mask;
    return at;
  }

  #grow(): void {
    const { words } = this;
    const keys = this.#keys;
    const places = keys.length * 2;
    this.#keys = new Float64Array(places).fill(EMPTY);
    this.#mask = places - 1;
    this.words = new Int32Array(places * this.#width);
    for (let from = 0; from < keys.length; from++) {
      if (keys[from] === EMPTY) continue;
      const to = this.#find(keys[from]!);
      this.#keys[to] = keys[from]!;
      for (let word = 0; word < this.#width; word++)
        this.words[to * this.#width + word] = words[from * this.#width + word]!;
    }
  }
}
