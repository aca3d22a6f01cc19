// The packed package, in a project that has nothing but it and what it depends on: under node, tsx, vitest and the
// compiler, and as a command.
//
// The dependencies are links to those of this checkout, so that nothing is fetched; so is what the explorer keeps of
// sources that it has instrumented, which is found by their text.

import { execFile, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
const PROJECT = mkdtempSync(join(tmpdir(), 'umbra-project-'));
const PACKAGE = join(PROJECT, 'node_modules/umbra');
afterAll(() => rmSync(PROJECT, { recursive: true, force: true }));

const COMPILER_OPTIONS = {
  strict: true,
  module: 'NodeNext',
  target: 'ES2023',
  noEmit: true,
  skipLibCheck: true,
  types: [],
};

/** Rejects with what a command printed, unless it ends well. */
const run = (file: string, ...args: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [file, ...args], { cwd: PROJECT }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${stdout}${stderr}`)),
    );
  });

function link(name: string, into: string): void {
  mkdirSync(join(MODULES, name), { recursive: true });
  mkdirSync(dirname(join(into, 'node_modules', name)), { recursive: true });
  symlinkSync(join(MODULES, name), join(into, 'node_modules', name));
}

beforeAll(() => {
  const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', PROJECT], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(packed.stderr).toBe('');
  mkdirSync(PACKAGE, { recursive: true });
  const tarball = join(PROJECT, packed.stdout.trim());
  expect(spawnSync('tar', ['xzf', tarball, '-C', PACKAGE, '--strip-components=1']).status).toBe(0);
  const { dependencies } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), 'vitest', 'typescript']) link(name, PROJECT);
  link('.cache/umbra/variants', PACKAGE);
  for (const name of ['swap.test.ts', 'hooks.ts', 'race.ts', 'race.scenario.ts'])
    copyFileSync(join(PACKAGE, 'examples', name), join(PROJECT, name));
  const files = {
    'package.json': { type: 'module' },
    'tsconfig.json': { compilerOptions: COMPILER_OPTIONS, include: ['*.ts'] },
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(PROJECT, name), JSON.stringify(content));
  writeFileSync(
    join(PROJECT, 'plain.js'),
    "import { Lab } from 'umbra';\nconsole.log(new Lab({ guest: '_start: j _start' }).run({ instructions: 3 }));\n",
  );
}, 120_000);

describe.concurrent('the packed package', () => {
  it('is plain JavaScript for node', async ({ expect }) => {
    expect(await run('plain.js')).toBe('null\n');
  });

  it('traces hooks and finds a race under tsx', async ({ expect }) => {
    const [hooks, race] = await Promise.all([
      run(join(MODULES, 'tsx/dist/cli.mjs'), 'hooks.ts'),
      run(join(MODULES, 'tsx/dist/cli.mjs'), 'race.ts'),
    ]);
    expect(hooks).toMatch(
      /^invalidate_range_start: mm=1 .* event=MMU_NOTIFY_CLEAR blockable=1 in_progress=1$/m,
    );
    expect(hooks).toMatch(/^the guest has stored 66 times; left behind: 0$/m);
    expect(race).toMatch(/^FAIL I1 {2}pre-emptions: 1 /);
  });

  it('tests swap under vitest, and has types', async ({ expect }) => {
    const [tests] = await Promise.all([
      run(
        join(MODULES, 'vitest/vitest.mjs'),
        'run',
        '--reporter=tap-flat',
        '--testTimeout=120000',
        'swap.test.ts',
      ),
      run(join(MODULES, 'typescript/bin/tsc')),
    ]);
    expect(tests.match(/^ok /gm)).toHaveLength(2);
  });

  it('is a command', async ({ expect }) => {
    expect(await run(join(PACKAGE, 'src/cli/umbra.js'), 'run', join(PACKAGE, 'guests/hello.s'))).toBe(
      'hello, world\n',
    );
  });
});
