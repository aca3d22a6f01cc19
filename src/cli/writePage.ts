// Writes a page to a file, or says in one line why it cannot be.

import { OutputFile } from '../platform/index.ts';

/** Throws FileError. */
export function writePage(path: string, page: string): void {
  const file = new OutputFile(path, 'page');
  file.write(new TextEncoder().encode(page));
  file.close();
  if (file.failure !== null) throw file.failure;
}
