// Pictures of the report: `npm run screenshots -- FOLDER` runs a guest for a second and one for minutes, and has headless
// Chromium draw the pages of both, wide and narrow, light and dark.
//
// Whoever looks at them judges; the script itself only sees to it that every plot was drawn and that nothing was thrown
// or fetched. CHROME names the browser, where it is none of those that are looked for. --seconds is the length of the
// long run.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const WIDTHS = [1280, 400];
const THEMES = ['light', 'dark'];
/** Charts, heat map and life. */
const PLOTS = 6;

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '120' } },
  allowPositionals: true,
});
const [folder = join(tmpdir(), 'umbra-screenshots')] = positionals;

const RUNS = {
  second: ['guests/sort.s', '--host-ram', '1M'],
  minutes: [
    join(import.meta.dirname, 'wander.s'),
    '--ram',
    '32M',
    '--host-ram',
    '4M',
    '--seconds',
    values.seconds,
  ],
};

function browser(): string {
  const names = process.env.CHROME === undefined ? BROWSERS : [process.env.CHROME];
  const found = names.find((name) => spawnSync(name, ['--version']).status === 0);
  if (found === undefined) {
    process.stderr.write(
      `screenshots: there is no browser here (${names.join(', ')}); CHROME can name one\n`,
    );
    process.exit(2);
  }
  return found;
}

function fail(message: string): never {
  process.stderr.write(`screenshots: ${message}\n`);
  process.exit(1);
}

/** What Chromium wrote on stdout and stderr. */
function chromium(command: string, profile: string, ...args: string[]): string {
  const flags = [
    '--headless',
    '--disable-gpu',
    '--no-sandbox',
    '--hide-scrollbars',
    '--enable-logging=stderr',
  ];
  const result = spawnSync(
    command,
    [...flags, `--user-data-dir=${profile}`, '--virtual-time-budget=5000', ...args],
    { encoding: 'utf8', timeout: 120_000, maxBuffer: 2 ** 28 },
  );
  if (result.status !== 0) fail(`${command} ended with ${result.status ?? result.signal}`);
  const complaint = /CONSOLE.*\] (.*)/.exec(result.stderr)?.[1];
  if (complaint !== undefined) fail(`the page says ${complaint}`);
  return result.stdout;
}

function runGuest(args: readonly string[], page: string): void {
  const umbra = [join(ROOT, 'src/cli/umbra.js'), 'run', ...args, '--report', page];
  const { status } = spawnSync(process.execPath, umbra, {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0 && status !== 124) fail(`umbra ended with ${status}`);
}

/** In a frame of that width, since no window of a browser is as narrow as a telephone. */
function picture(command: string, profile: string, page: string, width: number, theme: string): void {
  const frame = join(profile, 'frame.html');
  const address = `file://${page}?theme=${theme}`;
  const height = width < 860 ? 4000 : 2650;
  writeFileSync(
    frame,
    `<body style="margin:0"><iframe src="${address}" style="border:0;width:${width}px;height:${height}px"></iframe>`,
  );
  const file = page.replace(/\.html$/, `-${width}-${theme}.png`);
  chromium(command, profile, `--window-size=${width},${height}`, `--screenshot=${file}`, `file://${frame}`);
  process.stdout.write(`${file}\n`);
}

const command = browser();
const target = resolve(folder);
mkdirSync(target, { recursive: true });
const profile = mkdtempSync(join(tmpdir(), 'umbra-browser-'));
try {
  for (const [name, args] of Object.entries(RUNS)) {
    const page = join(target, `${name}.html`);
    runGuest(args, page);
    const drawn = chromium(command, profile, '--dump-dom', `file://${page}`);
    const plots = drawn.split('class="u-over"').length - 1;
    if (plots !== PLOTS) fail(`${page} has ${plots} plots, not ${PLOTS}`);
    for (const width of WIDTHS) for (const theme of THEMES) picture(command, profile, page, width, theme);
  }
} finally {
  rmSync(profile, { recursive: true, force: true });
}
