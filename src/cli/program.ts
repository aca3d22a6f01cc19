// From a file name to the bytes of an ELF file: assembly is assembled on the way.
//
// Called by run.ts, asm.ts and demo.ts. Throws FileError or AssemblerError.

import { extname } from 'node:path';
import { assemble } from '../asm/index.ts';
import { readInputFile } from '../platform/index.ts';

const SOURCE_SUFFIXES = ['.s', '.S'];

export function readGuestProgram(file: string): Uint8Array {
  return SOURCE_SUFFIXES.includes(extname(file)) ? assembleFile(file) : readInputFile(file);
}

export function assembleFile(file: string): Uint8Array {
  const source = new TextDecoder().decode(readInputFile(file));
  return assemble(source, { file }).elf;
}
