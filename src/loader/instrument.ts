// One file as exploration runs it: its text with every write made known to the undo log, and every yield numbered.

import MagicString from 'magic-string';
import { resolveScopes } from './scopes.ts';
import { numberYields } from './sites.ts';
import { parseModule } from './syntax.ts';
import { rewriteWrites } from './writes.ts';

/** `file` is for messages. Throws SyntaxError and UnsupportedWrite, with the position. */
export function instrument(file: string, text: string, isTypeScript: boolean): string {
  const out = new MagicString(text);
  try {
    const module = parseModule(text, isTypeScript);
    // What packages yield is no kernel's task.
    if (isTypeScript) numberYields(module, file, out);
    rewriteWrites(module, text, out, resolveScopes(module));
  } catch (error) {
    if (error instanceof Error) error.message = `${file}: ${error.message}`;
    throw error;
  }
  return out.toString();
}
