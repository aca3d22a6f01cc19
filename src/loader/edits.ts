// Source edits: a bug, a mutant or a missing trace site, as a change of production text (DESIGN D8).
//
// Invariant: an edit fits exactly one place of its file, or loading fails; the same file may be edited several times,
// each edit against the text that those before it left.

import { LoadError } from './loadError.ts';

export interface SourceEdit {
  /** Path below src/, as 'kvm/pageFault.ts'. */
  readonly file: string;
  /** The text to be replaced, whitespace and all. */
  readonly find: string;
  readonly replace: string;
}

/** `text` of `file` with those of `edits` that are about it. Throws LoadError. */
export function applyEdits(file: string, text: string, edits: readonly SourceEdit[]): string {
  let result = text;
  for (const edit of edits) {
    if (edit.file !== file) continue;
    const at = result.indexOf(edit.find);
    if (at < 0) throw new LoadError(`source edit of ${file}: nothing there reads ${quoted(edit)}`);
    if (result.indexOf(edit.find, at + 1) >= 0) {
      throw new LoadError(`source edit of ${file}: more than one place reads ${quoted(edit)}`);
    }
    result = result.slice(0, at) + edit.replace + result.slice(at + edit.find.length);
  }
  return result;
}

function quoted({ find }: SourceEdit): string {
  const line = find.trim().split('\n')[0]!;
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 57)}...` : line);
}
