// A scenario's guest as it was assembled: what is loaded into RAM, and where each vCPU begins.
//
// The thread of vCPU n begins at the symbol `vcpuN` and ends at `done`; a set-up may run what is at `warm`. A scenario
// without a guest has none of it.

import { assemble } from '../asm/index.ts';
import { bug } from '../units.ts';
import { type ElfImage, readElf } from '../vmm/index.ts';

export class GuestCode {
  readonly #base: number;
  readonly #image: ElfImage | null;
  readonly #code: DataView;

  /** `source` is loaded at guest physical `base`. Throws AssemblerError and InputError. */
  constructor(source: string | undefined, base: number) {
    this.#base = base;
    this.#image =
      source === undefined
        ? null
        : readElf(assemble(`${source}\n`, { file: 'guest.s', base }).elf, 'guest.s');
    const bytes = this.#image?.segments[0]?.fileBytes ?? new Uint8Array(0);
    this.#code = new DataView(bytes.slice().buffer);
  }

  get segments(): ElfImage['segments'] {
    return this.#image?.segments ?? [];
  }

  #symbol(name: string): number | undefined {
    return this.#image?.symbols.get(name)?.address;
  }

  /** Where `symbol` is; the guest must have it. */
  addressOf(symbol: string): number {
    return this.#symbol(symbol) ?? bug('a guest has no such symbol', { symbol });
  }

  /** Where the thread of vCPU `index` begins. */
  entryOf(index: number): number {
    return this.#symbol(`vcpu${index}`) ?? this.#symbol('done') ?? this.#base;
  }

  /** Whether vCPU `index` has anything to run. */
  has(index: number): boolean {
    return this.entryOf(index) !== this.#symbol('done');
  }

  /** The instruction at `pc`, as it was assembled; 0 where there is none. */
  instructionAt(pc: number): number {
    const offset = pc - this.#base;
    return offset >= 0 && offset + 4 <= this.#code.byteLength ? this.#code.getInt32(offset, true) : 0;
  }
}
