// Each verb with wrong, missing and absurd arguments: one clear line on stderr, nothing on stdout, exit code 2.
//
// In this process, so that there can be many.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SINKS } from '../../src/trace/index.ts';
import { randomRecords, TASKS } from '../support/traceRecords.ts';
import { said } from './here.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'umbra-mistakes-'));
const inFolder = (name: string): string => join(FOLDER, name);
const HELLO = join(import.meta.dirname, '../../guests/hello.s');
const TEXT = inFolder('text');
const SCRIPT = inFolder('a.mm');
const PIPE = inFolder('pipe');
const [THROWS, THROWS_NOTHING] = [inFolder('throws.ts'), inFolder('throwsNothing.ts')];
const FAILS_EARLY = inFolder('failsEarly.ts');
const BROKEN = inFolder('broken.dat');

const scenario = (rest: string): string =>
  `export const scenario = { name: 'mine', about: 'one that fails', guest: 'vcpu0: j vcpu0', ${rest} };\n`;

/** A trace.dat of which the last page says that it is full of what it has not. */
function brokenTrace(): Uint8Array {
  const chunks: Uint8Array[] = [];
  const sink = SINKS.dat({ write: (bytes) => chunks.push(bytes.slice()), tasks: TASKS, cpus: 2 });
  randomRecords(100, (batch) => sink.add(batch));
  sink.end();
  const bytes = Buffer.concat(chunks);
  return bytes.fill(0xff, bytes.length - 4096);
}

beforeAll(() => {
  writeFileSync(TEXT, 'text');
  writeFileSync(SCRIPT, 'dump\n');
  execFileSync('mkfifo', [PIPE]);
  writeFileSync(THROWS, 'throw new Error("one\\ntwo");\n');
  writeFileSync(THROWS_NOTHING, 'throw null;\n');
  writeFileSync(FAILS_EARLY, scenario('*setUp() { throw new Error("early"); }, tasks: () => ({})'));
  writeFileSync(BROKEN, brokenTrace());
});
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

const run = ['--', 'run', HELLO];

it.each([
  [['run', HELLO, '--seed', '-1'], /whole number from 0/],
  [['run', HELLO, '--seconds', 'x'], /number of seconds above 0/],
  [['run', HELLO, '--ram', '99999999999999999999G'], /from 4K to 64G/],
  [['run', HELLO, '--gdb', '99999'], /whole number from 0 to 65535/],
  [['run', HELLO, '-S'], /-S waits for a debugger, which needs -s or --gdb/],
  [['run', HELLO, '--repot', 'x'], /unknown option '--repot' \(Did you mean --report\?\)/],
  [['trace'], /what shall be run\? For example: -- run guests\/hello\.s/],
  [['trace', '--', 'explore', 'pageout'], /explore cannot be observed/],
  [['trace', '-e', 'kvm:nothing', ...run], /no event is named kvm:nothing/],
  [
    ['trace', '-e', 'fault_check', '-f', 'rety == 1', ...run],
    /no event here has a field rety; is it retry\?/,
  ],
  [['trace', '-o', TEXT, ...run, '--trace', TEXT], /no --trace beside it/],
  [['trace', '-o', TEXT, ...run, '--report', TEXT], /is named for two things/],
  [['stat', '-i', '0', ...run], /whole number from 1/],
  [['stat', '--', 'mm', SCRIPT], /mm cannot be observed/],
  [['top', '-d', '0', ...run], /number of seconds above 0/],
  [['vtop'], /what kind of address is ''/],
  [['vtop', 'gva', 'x', ...run], /'x' is no address/],
  [['vtop', 'gva', '0x80000000', '--vcpu', '5', ...run], /there is no vCPU 5/],
  [['show', 'nothing', ...run], /what is 'nothing'\? It can be tables/],
  [['show', 'tables', '--style', 'crash', ...run], /which\? For example 0x80000000/],
  [['show', 'smaps', '12', ...run], /addresses are for tables of --style crash; what is '12'\?/],
  [['report', TEXT], /cannot read .*text/],
  [['report', '/dev/zero'], /not a regular file/],
  [['report', PIPE], /not a regular file/],
  [['report', BROKEN, '--hist', 'notify'], /cannot read .*broken\.dat: its page at \d+ is broken/],
  [['run', HELLO, '--report', PIPE], /cannot create report .*pipe: nobody reads this pipe/],
  [['run', HELLO, '--trace', PIPE], /cannot create trace file .*pipe: nobody reads this pipe/],
  [['asm', HELLO, '-o', PIPE], /cannot write .*pipe: nobody reads this pipe/],
  [['trace', '-e', 'kvm', '-f', '('.repeat(1001), ...run], /a filter of more than 1000 words/],
  [['trace', '-e', `${'*_'.repeat(40)}x`, ...run], /no event is named/],
  [['asm', HELLO, '-o', HELLO], /is the source: it would be overwritten/],
  [['explore', 'nothing'], /no scenario is called nothing/],
  [['explore', TEXT], /text is not defined/],
  [['explore', THROWS], /throws\.ts: one two/],
  [['explore', THROWS_NOTHING], /throwsNothing\.ts: null/],
  [['explore', FAILS_EARLY], /failsEarly\.ts throws Error: early, in .*setUp/],
  [['explore', 'pageout', '--shard', '3/2'], /i\/n with i from 1 to n/],
  [['explore', 'pageout', '--jobs', '0'], /whole number from 1 to 64/],
  [['explore', 'pageout', '--policy', 'sleep', '--jobs', '2'], /schedules of sleep are not cut in parts/],
  [['explore', 'pageout', '--points', inFolder('nosuch')], /cannot open/],
  [['merge'], /missing required argument 'file'/],
  [['merge', inFolder('nosuch')], /cannot open/],
  [['merge', TEXT], /is not one line of JSON/],
  [['replay', 'pageout'], /missing required argument 'schedule'/],
  ...['reclaim:3>reclaim', 'reclaim:3>nobody', 'nobody:3>vcpu0', 'reclaim:9999999999999999999999>vcpu0'].map(
    (schedule) =>
      [['replay', 'pageout-warm', schedule], /does not fit pageout-warm: 1 of its 1 switches/] as const,
  ),
  [['replay', 'pageout-warm', 'reclaim:3>vcpu0,reclaim:3>vcpu0'], /1 of its 2 switches find no place/],
  [['replay', 'pageout-warm', 'reclaim:3+vcpu0/fly'], /1 of its 1 switches find no place/],
  [['replay', 'pageout-warm', 'reclaim:-3>vcpu0'], /bad schedule: "reclaim:-3>vcpu0" is neither/],
  [['replay', 'pageout-warm', '-', '--build', '-1'], /whole number from 0/],
  [['museum', 'nothing'], /no exhibit is called nothing/],
  [['mm', SCRIPT, SCRIPT], /several scripts need --out/],
  [['mm', SCRIPT, '--out', '/proc/x'], /cannot make the folder \/proc\/x/],
  [['mm', SCRIPT, '--out', join(TEXT, 'x')], /cannot make the folder .*: not a directory/],
  [['demo', 'extra'], /too many arguments/],
  [['completion', 'dash'], /Allowed choices are bash, zsh, fish/],
] as [string[], RegExp][])('%j', async (args, message) => {
  const { code, stdout, stderr } = await said(...args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^umbra: [^\n]+\n$/);
  expect(stderr).toMatch(message);
});
