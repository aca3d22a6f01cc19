// The start cache: all of Umbra as one JavaScript file, because loading 250 TypeScript files takes 0.4 s of each start, and
// what V8 made of that file when it ran, because compiling it takes another tenth.
//
// Used by umbra.js. The files lie in node_modules/.cache, named after name, size and time of every source, so that a change
// makes them a miss; a miss loads the sources and leaves the script for the next start, which leaves its code. It is a
// convenience: where they cannot be written, every start is a miss.
//
// Invariant: a file is there whole or not at all (it is renamed into place). V8 refuses code that is not of this script
// and of its own version, and compiles the script.

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, Script } from 'node:vm';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = join(ROOT, 'src');
const CACHE = join(ROOT, 'node_modules/.cache/umbra');
/** Which versions of the packages there are; the packed package has no lock file. */
const LOCK = ['package-lock.json', 'package.json']
  .map((name) => join(ROOT, name))
  .find((path) => existsSync(path));
/** Names of the files here. */
const OURS = /^[0-9a-f]{32}\./;

/** The module main.ts, or null; and what to call when it has run. */
export function cachedMain() {
  const path = cachePath();
  const source = readIfThere(path);
  if (source === null) return { module: null, finish: fillCache };
  const codePath = `${path}.code`;
  const cachedData = readIfThere(codePath) ?? undefined;
  const script = new Script(`(function (module, require) {${source}\n})`, {
    filename: path,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} };
  script.runInThisContext()(module, createRequire(import.meta.url));
  const isCompiled = cachedData !== undefined && !script.cachedDataRejected;
  const keepCode = () =>
    tryTo((unfinished) => writeFileSync(unfinished, script.createCachedData()), codePath);
  return { module: module.exports, finish: isCompiled ? () => {} : keepCode };
}

function readIfThere(path) {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? null : readFileSync(path);
}

/** Makes the script, unless it cannot be made, and removes those of older sources. */
function fillCache() {
  const path = cachePath();
  tryTo((unfinished) => {
    mkdirSync(CACHE, { recursive: true });
    build(unfinished);
    for (const old of readdirSync(CACHE)) {
      // Others may be at work on the same file, but not on one of other sources for long.
      if (OURS.test(old) && !old.startsWith(basename(path))) rmSync(join(CACHE, old), { force: true });
    }
  }, path);
}

/** Makes a file by another name and renames it, unless that fails. */
function tryTo(make, path) {
  const unfinished = `${path}.${process.pid}`;
  try {
    make(unfinished);
    renameSync(unfinished, path);
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
    format: 'cjs',
    minifyWhitespace: true,
    target: 'node20',
    logLevel: 'silent',
    // Only who explores needs them.
    external: ['@babel/parser', 'magic-string'],
    define: { 'import.meta.url': JSON.stringify(new URL('main.ts', import.meta.url).href) },
  });
}

function cachePath() {
  const hash = createHash('sha256');
  hash.update([...factsIn(SOURCES), factsOf(LOCK)].sort().join());
  return join(CACHE, `${hash.digest('hex').slice(0, 32)}.cjs`);
}

/** By hand, because readdirSync() takes four times as long to do it. */
function factsIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? factsIn(path) : factsOf(path);
  });
}

function factsOf(path) {
  const { size, mtimeMs } = statSync(path);
  return `${path}\0${size}\0${mtimeMs}`;
}
