// The start cache: all of Umbra as one JavaScript file, because loading 250 TypeScript files takes 0.4 s of each start.
//
// Used by umbra.js. The file lies in node_modules/.cache, named after name, size and time of every source, so that a change
// makes it a miss; a miss loads the sources and leaves the file for the next start. It is a convenience: where it cannot be
// written, every start is a miss.
//
// Invariant: the file is there whole or not at all (it is renamed into place).

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = join(ROOT, 'src');
const CACHE = join(ROOT, 'node_modules/.cache/umbra');
/** CommonJS packages (commander) want it. */
const REQUIRE = `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);`;

/** The module main.ts, or null. */
export async function cachedMain() {
  const path = cachePath();
  return statSync(path, { throwIfNoEntry: false }) === undefined ? null : await import(path);
}

/** Makes the file, unless it cannot be made, and removes those of older sources. */
export function fillCache() {
  const path = cachePath();
  const unfinished = `${path}.${process.pid}`;
  try {
    mkdirSync(CACHE, { recursive: true });
    build(unfinished);
    renameSync(unfinished, path);
    for (const old of readdirSync(CACHE)) {
      // Others may be at work on the same file, but not on one of other sources for long.
      if (!old.startsWith(basename(path))) rmSync(join(CACHE, old), { force: true });
    }
  } catch {
    rmSync(unfinished, { force: true });
  }
}

function build(outfile) {
  // esbuild is what tsx translates with: the version is tsx's.
  const { buildSync } = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'))('esbuild');
  buildSync({
    entryPoints: [join(SOURCES, 'cli/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    banner: { js: REQUIRE },
    // Only who explores needs them.
    external: ['@babel/parser', 'magic-string'],
    define: { 'import.meta.url': JSON.stringify(new URL('main.ts', import.meta.url).href) },
  });
}

function cachePath() {
  const hash = createHash('sha256');
  for (const name of readdirSync(SOURCES, { recursive: true }).sort()) addFile(hash, join(SOURCES, name));
  addFile(hash, join(ROOT, 'package-lock.json'));
  return join(CACHE, `${hash.digest('hex').slice(0, 32)}.mjs`);
}

function addFile(hash, path) {
  const { size, mtimeMs } = statSync(path);
  hash.update(`${path}\0${size}\0${mtimeMs}\0`);
}
