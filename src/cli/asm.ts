// umbra asm: assembles GNU assembly into an ELF executable, for here, for QEMU and for Spike.

import { resolve } from 'node:path';
import { Command } from 'commander';
import { writeOutputFile } from '../platform/index.ts';
import { InputError } from '../vmm/index.ts';
import { path } from './flags.ts';
import { EXIT_CODES } from './outcome.ts';
import { assembleFile } from './program.ts';

export function command(exit: (code: number) => void): Command {
  return new Command('asm')
    .argument('<file>', 'the source')
    .option('-o, --output <file>', 'the program (default: the source with .elf in place of its suffix)', path)
    .action((file: string, flags: { readonly output?: string }) => {
      const output = flags.output ?? file.replace(/(\.[sS])?$/, '.elf');
      if (resolve(output) === resolve(file))
        throw new InputError(`${file} is the source: it would be overwritten`);
      writeOutputFile(output, assembleFile(file));
      exit(EXIT_CODES.pass);
    });
}
