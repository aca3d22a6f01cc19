// The start cache, of a program of two files: what a start finds, and that it is never older than the sources.

import { type ExecFileException, execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');
const LAUNCHER = 'src/cli/umbra.js';
/** Says where it came from: a script of the cache has a `require`, a module of tsx has none. */
const MAIN = `import { word } from '../word.ts';
export const main = async (args: readonly string[]): Promise<number> => {
  console.log(typeof require === 'function' ? 'script' : 'sources', word, args.join());
  return args[0] === 'wrong' ? 2 : 0;
};
`;

let root: string;
const inRoot = (path: string): string => join(root, path);
const cache = (): string => inRoot('node_modules/.cache/umbra');
const cached = (end: string): string => {
  const name = readdirSync(cache()).find((each) => each.endsWith(end));
  return join(cache(), name ?? `no file that ends with ${end}`);
};
const setWord = (word: string): void =>
  writeFileSync(inRoot('src/word.ts'), `export const word = '${word}';\n`);

/** What a start prints. */
const start = (...args: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [inRoot(LAUNCHER), ...args], (error: ExecFileException | null, out, err) => {
      if (error !== null && error.code !== 2) reject(new Error(err));
      else resolve(out.trim());
    });
  });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'umbra-start-'));
  for (const folder of ['src/cli', 'node_modules']) mkdirSync(inRoot(folder), { recursive: true });
  symlinkSync(join(REPOSITORY, 'node_modules/tsx'), inRoot('node_modules/tsx'));
  for (const file of [LAUNCHER, 'src/cli/startCache.js', 'package.json']) {
    copyFileSync(join(REPOSITORY, file), inRoot(file));
  }
  writeFileSync(inRoot('src/cli/main.ts'), MAIN);
  setWord('one');
});

afterEach(() => rmSync(root, { recursive: true }));

test('the second start runs the script, the third what V8 made of it for that verb', async () => {
  expect(await start('run', 'a')).toBe('sources one run,a');
  expect(await start('run', 'b')).toBe('script one run,b');
  expect(await start('run')).toBe('script one run');
  expect(statSync(cached('.cjs.run')).size).toBeGreaterThan(100);
  expect(await start('wrong')).toBe('script one wrong');
  expect(readdirSync(cache()).filter((name) => name.endsWith('.wrong'))).toEqual([]);
});

test('an edited source never runs as it was, be its size and time of modification what they were', async () => {
  await start();
  const { atime, mtime } = statSync(inRoot('src/word.ts'));
  setWord('two');
  utimesSync(inRoot('src/word.ts'), atime, mtime);
  expect(await start()).toBe('sources two');
  expect(await start()).toBe('script two');
  rmSync(inRoot('src/word.ts'));
  await expect(start()).rejects.toThrow(/word\.ts/);
});

test('files of the cache that are damaged are made anew', async () => {
  const damage = (end: string, how: (bytes: Buffer) => Uint8Array): void =>
    writeFileSync(cached(end), how(readFileSync(cached(end))));
  await start('run');
  for (const end of ['.json', '.cjs']) {
    damage(end, (bytes) => bytes.subarray(0, bytes.length / 2));
    expect(await start('run')).toBe('sources one run');
    damage(end, (bytes) => bytes.fill(0));
    expect(await start('run')).toBe('sources one run');
  }
  await start('run');
  damage('.cjs.run', (bytes) => bytes.fill(0x5a, bytes.length / 2));
  expect(await start('run')).toBe('script one run');
});

test('a cache that cannot be written is none, and several starts at once make one', async () => {
  writeFileSync(inRoot('node_modules/.cache'), '');
  expect(await start()).toBe('sources one');
  rmSync(inRoot('node_modules/.cache'));
  const starts = await Promise.all([start(), start(), start()]);
  expect(starts).toContain('sources one');
  // On a busy machine one of them may come when another has left its script.
  for (const said of starts) expect(said).toMatch(/^(?:sources|script) one$/);
  expect(await start()).toBe('script one');
  expect(readdirSync(cache()).length).toBe(3);
});
