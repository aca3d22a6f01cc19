// The start cache: all of Umbra as one JavaScript file, because loading 500 TypeScript files takes 0.4 s of each start, and
// what V8 made of that file when it ran, because compiling it takes another tenth.
//
// Used by umbra.js and worker.js. In node_modules/.cache lie the script, what V8 made of it for each verb that ran, and a
// list of the sources in the script, with size and times of each. A source that is not as listed makes a miss: the sources
// are loaded, and script and list are left for the next start. It is a convenience: where they cannot be written, every
// start is a miss.
//
// Invariants: a file is there whole or not at all (it is renamed into place), and the list after its script. A script is of
// the sources in its list: their times are taken before they are read. V8 refuses code that is not of this script or not
// of its own version, and compiles the script.
//
// What each start does here it does in code that V8 has not seen before, so it does little.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, Script } from 'node:vm';
import { crc32 } from 'node:zlib';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = join(ROOT, 'src');
/** Which versions of the packages there are; the packed package has no lock file. */
const LOCKS = ['package-lock.json', 'package.json'].map((name) => join(ROOT, name));
const CACHE = join(ROOT, 'node_modules/.cache/umbra');
const LIST = join(CACHE, 'sources.json');
/** Names of the other files here. */
const OURS = /^[0-9a-f]{32}\./;
const VERB = /^[a-z]{1,12}$/;
/** Built-in modules that take milliseconds to load and are seldom used; nothing but names is imported of them. */
const LATE = new Set(['node:child_process', 'node:crypto']);
/** Bytes before the code in its file: the effort of the run that left it, and a checksum. */
const HEAD_BYTES = 16;
const CHECKSUM = 8;
/** A run with so many times that effort has compiled more of the script, and leaves its code instead. */
const MORE = 1.3;
/** At such an effort V8 has begun to throw away what served the start: code to make do with. */
const TOO_MUCH = 200;
/** Sources that changed so few milliseconds ago may change again before their times do. */
const SETTLED_MS = 100;
const USAGE_ERROR = 2;
const MISS = { module: null, finish: fillCache };

/** The module main.ts, or null; and what to call with the exit code when it has run. `verb` is what it shall do. */
export function cachedMain(verb = '') {
  const script = scriptOfSources();
  if (script === null) return MISS;
  return load(script, `${script.path}.${VERB.test(verb) ? verb : 'other'}`);
}

/** Null: there is none, or it is of other sources. */
function scriptOfSources() {
  try {
    const { root, name, length, sources } = JSON.parse(readFileSync(LIST, 'utf8'));
    if (root !== ROOT || !sources.every(isAsListed)) return null;
    const path = join(CACHE, name);
    const source = readFileSync(path, 'latin1');
    return source.length === length ? { path, source } : null;
  } catch {
    return null;
  }
}

function isAsListed([path, size, mtimeMs, ctimeMs]) {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.size === size && stats.mtimeMs === mtimeMs && stats.ctimeMs === ctimeMs;
}

function load({ path, source }, codePath) {
  const begun = process.cpuUsage();
  const code = readCode(codePath);
  const script = compile(path, source, code?.subarray(HEAD_BYTES));
  if (script === null) return MISS;
  const module = { exports: {} };
  script.runInThisContext()(module, requireLate(createRequire(import.meta.url)));
  const known = code === null || script.cachedDataRejected ? 0 : code.readDoubleLE();
  const loading = process.cpuUsage(begun);
  const finish = (exitCode) => {
    const effort = total(process.cpuUsage(begun)) / total(loading);
    const isMore = known === 0 || (effort > known * MORE && effort < TOO_MUCH);
    if (isMore && exitCode !== USAGE_ERROR) keepCode(script, codePath, effort);
  };
  return { module: module.exports, finish };
}

/** CPU time, which the load of the machine changes less than time; in that of loading the script it tells the effort. */
const total = ({ user, system }) => user + system;

/** With its head; null: there is none that is whole, which V8 would not notice. */
function readCode(path) {
  try {
    const code = readFileSync(path);
    return code.readUInt32LE(CHECKSUM) === crc32(code.subarray(HEAD_BYTES)) ? code : null;
  } catch {
    return null;
  }
}

/** Null: it is damaged. */
function compile(path, source, cachedData) {
  try {
    const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
    return new Script(source, { filename: path, cachedData, importModuleDynamically });
  } catch {
    return null;
  }
}

const requireLate = (require) => (name) => {
  if (!LATE.has(name)) return require(name);
  let module = null;
  const get = (_, key) => {
    module ??= require(name);
    return module[key];
  };
  return new Proxy({}, { get });
};

function keepCode(script, path, effort) {
  const code = script.createCachedData();
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeDoubleLE(effort < TOO_MUCH ? effort : 0);
  head.writeUInt32LE(crc32(code), CHECKSUM);
  tryTo((file) => writeFileSync(file, Buffer.concat([head, code])), path);
}

/** Makes script and list, unless they cannot be made, and removes those of older sources. */
function fillCache() {
  const files = [...filesIn(SOURCES), ...LOCKS].flatMap(factsOf);
  if (files.some(([, , , ctimeMs]) => ctimeMs > Date.now() - SETTLED_MS)) return;
  const { createHash } = createRequire(import.meta.url)('node:crypto');
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 32);
  const name = `${hash}.cjs`;
  let script;
  const isBuilt = tryTo(
    (file) => {
      mkdirSync(CACHE, { recursive: true });
      script = build(file);
    },
    join(CACHE, name),
  );
  if (!isBuilt) return;
  const { length, inputs } = script;
  const sources = files.filter(([path]) => inputs.has(path) || LOCKS.includes(path));
  const list = JSON.stringify({ root: ROOT, name, length, sources });
  tryTo((file) => {
    writeFileSync(file, list);
    for (const old of readdirSync(CACHE)) {
      // Others may be at work on the same files, but not on those of other sources for long.
      if (OURS.test(old) && !old.startsWith(hash)) rmSync(join(CACHE, old), { force: true });
    }
  }, LIST);
}

/** Makes a file by another name and renames it, unless that fails: false. */
function tryTo(make, path) {
  const unfinished = `${path}.${process.pid}`;
  try {
    make(unfinished);
    renameSync(unfinished, path);
    return true;
  } catch {
    tryToRemove(unfinished);
    return false;
  }
}

function tryToRemove(path) {
  try {
    rmSync(path, { force: true });
  } catch {
    // Its folder is no folder.
  }
}

/** How long the script is, and the paths of what is in it. */
function build(outfile) {
  // esbuild is what tsx translates with: the version is tsx's.
  const { buildSync } = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'))('esbuild');
  const { metafile } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: [join(SOURCES, 'cli/main.ts')],
    outfile,
    banner: { js: '(function (module, require) {' },
    footer: { js: '})' },
    metafile: true,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    minifyWhitespace: true,
    charset: 'ascii',
    target: 'node20',
    logLevel: 'silent',
    // Only who explores needs them.
    external: ['@babel/parser', 'magic-string'],
    define: { 'import.meta.url': JSON.stringify(new URL('main.ts', import.meta.url).href) },
  });
  const inputs = new Set(Object.keys(metafile.inputs).map((path) => join(ROOT, path)));
  return { length: statSync(outfile).size, inputs };
}

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : path;
  });
}

/** None of what is not there. */
function factsOf(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? [] : [[path, stats.size, stats.mtimeMs, stats.ctimeMs]];
}
