// A guest program: an ELF image that fits this board, and how it gets into guest memory.
//
// readProgram is called before a machine is built, so that all that is wrong with a file is an InputError; loadProgram
// runs in the VMM process (vmm.ts), where only the host can fail.

import type { Steps } from '../sched/index.ts';
import { hex, PAGE_SIZE, pageAlignDown } from '../units.ts';
import { type ElfImage, readElf } from './elf.ts';
import type { ElfSymbol } from './elfSymbols.ts';
import type { GuestMemory } from './htif.ts';
import { InputError } from './inputError.ts';
import { Layout } from './layout.ts';

/** A piece of an ELF file that is copied in one go: the VMM thread can be pre-empted between two. */
const COPY_BYTES = 64 * PAGE_SIZE;
const HTIF_BYTES = 8;

/** Reads an ELF file and checks that it fits `ramBytes` of RAM. Throws InputError; `name` opens the message. */
export function readProgram(bytes: Uint8Array, name: string, ramBytes: number): ElfImage {
  const image = readElf(bytes, name);
  const end = Layout.ram + ramBytes;
  const ram = `RAM ${hex(Layout.ram)}..${hex(end)}`;
  for (const { address, memoryBytes } of image.segments) {
    if (address >= Layout.ram && address + memoryBytes <= end) continue;
    throw new InputError(
      `${name}: segment ${hex(address)}..${hex(address + memoryBytes)} lies outside ${ram}`,
    );
  }
  if (!(image.entry >= Layout.ram && image.entry < end)) {
    throw new InputError(`${name}: the entry point ${hex(image.entry)} lies outside ${ram}`);
  }
  for (const word of ['tohost', 'fromhost']) checkHtifWord(image.symbols.get(word), word, name, end);
  return image;
}

function checkHtifWord(symbol: ElfSymbol | undefined, word: string, name: string, end: number): void {
  if (symbol === undefined) return;
  const { address } = symbol;
  if (address >= Layout.ram && address + HTIF_BYTES <= end && address % HTIF_BYTES === 0) return;
  throw new InputError(`${name}: symbol ${word} at ${hex(address)} is not an aligned doubleword in RAM`);
}

/** Copies the segments; what is not in the file is zero in fresh memory. 0, or -errno. */
export function* loadProgram(memory: GuestMemory, image: ElfImage): Steps<number> {
  for (const { address, fileBytes } of image.segments) {
    for (let at = 0; at < fileBytes.length; at += COPY_BYTES) {
      const error = yield* memory.write(address + at, fileBytes.subarray(at, at + COPY_BYTES));
      if (error !== 0) return error;
    }
  }
  return 0;
}

/** Where the device tree goes: as high in RAM as the program leaves room, on a page; null if nowhere. */
export function placeDeviceTree(image: ElfImage, ramBytes: number, bytes: number): number | null {
  let ceiling = Layout.ram + ramBytes;
  for (const segment of [...image.segments].reverse()) {
    const address = pageAlignDown(ceiling - bytes);
    if (address >= segment.address + segment.memoryBytes) return address;
    ceiling = segment.address;
  }
  const address = pageAlignDown(ceiling - bytes);
  return address >= Layout.ram ? address : null;
}
