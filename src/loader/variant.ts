// Variants of Umbra: production code with source edits, and with what exploration needs to know of it written in
// (DESIGN D8).
//
// A variant is one bundle of everything that its entry reaches, so it shares no state and no class with the process
// that loads it, nor with another variant; what crosses is plain data. cli/ and the tests load variants; explore/
// runs inside them.
//
// Invariants: text and edits decide the variant: equal ones are the same module of this process. Bundles lie in
// node_modules/.cache, whole or not at all, and are a convenience: without them a variant is as good.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { applyEdits, type SourceEdit } from './edits.ts';
import { LoadError } from './loadError.ts';

/** Umbra's own sources, also from the compiled package, whose folders lie as deep. */
export const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url));
const require = createRequire(import.meta.url);
const CACHE = join(SOURCES, '../node_modules/.cache/umbra/variants');

export interface VariantOptions {
  /** What the variant exports: the text of a TypeScript module, whose relative imports start from src/. */
  readonly entry: string;
  readonly edits?: readonly SourceEdit[];
  /** False: edits alone, nothing is written in (for benchmarks). Default true. */
  readonly instrumented?: boolean;
}

const loaded = new Map<string, object>();
const versions = new WeakMap<object, string>();

/** The variant's exports. Throws LoadError for edits that do not fit and for what esbuild cannot read. */
export async function loadVariant<T extends object>(options: VariantOptions): Promise<T> {
  const { text, version } = await bundle(options);
  const name = hashOf(text);
  let exports = loaded.get(name);
  if (exports === undefined) {
    exports = evaluate(name, text);
    loaded.set(name, exports);
    versions.set(exports, version);
  }
  return exports as T;
}

/** What is in a loaded variant, as a hash of its sources: the same on each machine that has the same files. */
export const versionOf = (variant: object): string => versions.get(variant)!;

/** What the bundle exports. It is a file of the cache where there can be one, so that stacks and profilers name it. */
function evaluate(name: string, text: string): object {
  const path = join(CACHE, `${name}.cjs`);
  const isThere = statSync(path, { throwIfNoEntry: false }) !== undefined || write(path, text);
  if (isThere) return require(path);
  const module = { exports: {} };
  compileFunction(text, ['exports', 'require', 'module'])(module.exports, require, module);
  return module.exports;
}

async function bundle(options: VariantOptions): Promise<{ readonly text: string; readonly version: string }> {
  const { edits = [] } = options;
  const unused = new Set(edits.map(({ file }) => file));
  const texts: string[] = [];
  const { build } = esbuild();
  const result = await build({
    stdin: { contents: options.entry, resolveDir: SOURCES, sourcefile: 'variant.ts', loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'silent',
    plugins: [sources(options, unused, texts)],
  }).catch((error: unknown) => {
    throw loadError(error);
  });
  for (const file of unused)
    throw new LoadError(`source edit of ${file}: the variant does not use this file`);
  return { text: result.outputFiles[0]!.text, version: hashOf(...texts.map((text) => hashOf(text)).sort()) };
}

/** Hands esbuild each source as edited and instrumented; notes which edits were of no use, and the edited texts. */
function sources(
  { edits = [], instrumented = true }: VariantOptions,
  unused: Set<string>,
  texts: string[],
): EsbuildPlugin {
  return {
    name: 'umbra',
    setup(esbuild) {
      esbuild.onResolve({ filter: /^umbra:journal$/ }, () => ({ path: join(SOURCES, 'journal/index.ts') }));
      // A scenario's import of the public API means the kernel of the variant that it is in.
      esbuild.onResolve({ filter: /^umbra$/ }, () => ({ path: join(SOURCES, 'kernel.ts') }));
      esbuild.onLoad({ filter: /\.(?:ts|m?js)$/ }, async ({ path }) => {
        const file = relative(SOURCES, path);
        unused.delete(file);
        const text = applyEdits(file, readFileSync(path, 'utf8'), edits);
        texts.push(text);
        const isTypeScript = path.endsWith('.ts');
        const contents =
          instrumented && isInstrumented(file) ? await instrumentCached(path, text, isTypeScript) : text;
        return { contents, loader: isTypeScript ? 'ts' : 'js', resolveDir: dirname(path) };
      });
    },
  };
}

/** What is no part of what is explored, what is written at each step but has a state() of its own, and what remembers. */
const PLAIN =
  /^(?:journal\/.*|explore\/.*|loader\/.*|sched\/(?:scheduler|points|task|policies|random|knownOrder))\.ts$/;
const isInstrumented = (file: string): boolean => !PLAIN.test(file);

/** By path: the text that was instrumented last, and what came of it. Variants differ in a file or two. */
const instrumentations = new Map<string, { readonly text: string; readonly contents: string }>();

async function instrumentCached(path: string, text: string, isTypeScript: boolean): Promise<string> {
  const known = instrumentations.get(path);
  if (known?.text === text) return known.contents;
  const file = relative(SOURCES, path);
  const contents = await keep(`${hashOf(loader(), file, text)}.txt`, async () => {
    // The parser takes 25 ms to load: not at the start of each run.
    const { instrument } = await import('./instrument.ts');
    return instrument(file, text, isTypeScript);
  });
  instrumentations.set(path, { text, contents });
  return contents;
}

let loaderText: string | null = null;

/** What decides how a text is instrumented, beside the text. */
function loader(): string {
  loaderText ??= ['loader', 'journal']
    .flatMap((room) => readdirSync(join(SOURCES, room)).map((name) => join(SOURCES, room, name)))
    .sort()
    .map((path) => readFileSync(path, 'utf8'))
    .join('');
  return loaderText;
}

/** The text of file `name` in the cache; made, and kept for the next process, where there is none. */
async function keep(name: string, make: () => Promise<string>): Promise<string> {
  const path = join(CACHE, name);
  try {
    return readFileSync(path, 'utf8');
  } catch {
    const text = await make();
    write(path, text);
    return text;
  }
}

/** Whole or not at all; false: it cannot be written. */
function write(path: string, text: string): boolean {
  const unfinished = `${path}.${process.pid}`;
  try {
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(unfinished, text);
    renameSync(unfinished, path);
    return true;
  } catch {
    rmSync(unfinished, { force: true });
    return false;
  }
}

function hashOf(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
}

// esbuild is what tsx translates with: the version is tsx's.

interface EsbuildPlugin {
  readonly name: string;
  setup(build: {
    onResolve(options: { filter: RegExp }, callback: (args: { path: string }) => { path: string }): void;
    onLoad(
      options: { filter: RegExp },
      callback: (args: { path: string }) => Promise<{ contents: string; loader: string; resolveDir: string }>,
    ): void;
  }): void;
}

interface Esbuild {
  build(options: Record<string, unknown>): Promise<{ outputFiles: { text: string }[] }>;
}

function esbuild(): Esbuild {
  return createRequire(resolve(require.resolve('tsx/package.json')))('esbuild') as Esbuild;
}

function loadError(error: unknown): unknown {
  const { errors } = error as { errors?: readonly EsbuildMessage[] };
  const first = errors?.[0];
  if (first === undefined) return error;
  if (first.detail instanceof LoadError) return first.detail;
  const { location, text } = first;
  return new LoadError(
    location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`,
  );
}

interface EsbuildMessage {
  readonly text: string;
  readonly detail: unknown;
  readonly location: { readonly file: string; readonly line: number; readonly column: number } | null;
}
