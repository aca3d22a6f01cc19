// What a Linux 6.18 kernel answered to 250 scripts: recorded.br holds scripts and answers, compressed in one piece.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

export interface Recording {
  readonly name: string;
  readonly script: string;
  /** One line of JSON for each operation. */
  readonly golden: readonly string[];
}

export function readRecordings(): readonly Recording[] {
  const text = brotliDecompressSync(readFileSync(join(import.meta.dirname, 'recorded.br'))).toString();
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const [, name, script, golden] = /^(\S+)\n([\s\S]*?)^---\n([\s\S]*)$/m.exec(part)!;
      return { name: name!, script: script!, golden: golden!.trimEnd().split('\n') };
    });
}
