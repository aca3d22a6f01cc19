// Builds of this repository's sources with some of their text changed, several in one process, to measure side by side
// what the text costs.
//
// esbuild (tsx's own) bundles an entry point; each load of a build is a set of modules of its own, so that what the
// compiler learns of one says nothing of another.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const ROOT = join(import.meta.dirname, '../..');

/** Of a source file's text; null: it stays as it is. */
export type Edit = (text: string, path: string) => string | null;

interface Plugin {
  readonly name: string;
  setup(build: {
    onLoad(
      options: { filter: RegExp },
      load: (args: { path: string }) => { contents: string; loader: 'ts' } | null,
    ): void;
  }): void;
}

const editor = (edit: Edit): Plugin => ({
  name: 'edit',
  setup(build) {
    build.onLoad({ filter: /src\/.*\.ts$/ }, ({ path }) => {
      const contents = edit(readFileSync(path, 'utf8'), path);
      return contents === null ? null : { contents, loader: 'ts' };
    });
  },
});

/** The exports of `entry` (a path from the root), with every file of src/ edited; `name` is unique in `folder`. */
export async function build<T>(folder: string, name: string, entry: string, edit: Edit): Promise<T> {
  const require = createRequire(import.meta.url);
  const esbuild = createRequire(require.resolve('tsx/package.json'))('esbuild');
  const outfile = join(folder, `${name}.mjs`);
  await esbuild.build({
    entryPoints: [join(ROOT, entry)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Drops what an edit has made unreachable.
    minifySyntax: true,
    logLevel: 'error',
    plugins: [editor(edit)],
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(join(ROOT, 'src/index.ts')).href) },
  });
  return (await import(pathToFileURL(outfile).href)) as T;
}
