// umbra explore, replay and museum from outside: exit codes, the report, and one clear line for whatever is wrong.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT, umbra } from './umbra.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbra-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('umbra trace', () => {
  it('writes what the tracepoints say of a replay', () => {
    const events = ['-e', 'invalidate_range_*', '-e', 'try_to_unmap'];
    const { status, stdout } = umbra('trace', ...events, '--', 'replay', 'pageout-warm', '-');
    expect(status).toBe(0);
    const lines = stdout.split('\n').filter((line) => line.includes('reclaim-'));
    const names = lines.map((line) => / \d+\.\d+: (\w+): /.exec(line)?.[1]);
    expect(names.slice(0, 3)).toEqual(['invalidate_range_start', 'try_to_unmap', 'invalidate_range_end']);
  });
});

describe('umbra replay', () => {
  it('writes a page that holds the steps and asks for nothing from elsewhere', () => {
    const page = join(folder, 'page.html');
    const { status } = umbra('replay', 'told-after-unlock', '-', '--json', '--html', page);
    expect(status).toBe(1);
    const html = readFileSync(page, 'utf8');
    const data = JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]!);
    expect(data).toMatchObject({ schema: 'umbra.replay/1', scenario: 'told-after-unlock' });
    expect(data.trace.length).toBeGreaterThan(20);
    expect(data.found.invariant).toBe('I1');
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/(src|href)=|https?:(?!\/\/www\.w3\.org\/2000\/svg)/);
  });
});

describe('umbra explore', () => {
  it('says what it covered when nothing is found', () => {
    const { status, stdout } = umbra('explore', 'pageout-warm', '--bound', '1', '--json');
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      schema: 'umbra.explore/1',
      scenario: 'pageout-warm',
      verdict: 'pass',
      policy: 'bounded',
      bound: 1,
      complete: true,
      failure: null,
    });
    expect(report.schedules).toBeGreaterThan(50);
    expect(report.states).toBeGreaterThan(50);
  });

  it('writes a page of what it finds', () => {
    const page = join(folder, 'found.html');
    const race = join(ROOT, 'examples/race.scenario.ts');
    const { status } = umbra('explore', race, '--html', page);
    expect(status).toBe(1);
    expect(readFileSync(page, 'utf8')).toContain('"invariant":"I1"');
  });

  it('is incomplete at a limit, and then there is no page', () => {
    const { status, stderr } = umbra('explore', 'pageout-warm', '--schedules', '20', '--html', 'none.html');
    expect(status).toBe(124);
    expect(stderr).toContain('umbra: no counterexample, so none.html is not written\n');
    expect(stderr).toContain('incomplete: nothing found');
  });

  it('finds what a scenario of the user does wrong, and replays it', () => {
    const file = join(folder, 'lost.ts');
    const source = new URL('../../src/', import.meta.url).pathname;
    // A second thread of the process writes behind the guest's back.
    writeFileSync(
      file,
      `import { copyToUser } from ${JSON.stringify(join(source, 'mm/index.ts'))};
       export const scenario = {
         name: 'lost', about: 'a thread writes guest memory and tells nobody',
         guest: 'vcpu0: sd a1, 0(a0)\\n ld a2, 0(a0)\\ndone: j done',
         *setUp(world) { yield* world.write64(world.page(1), 0n); world.setRegisters(0, { a0: world.page(1), a1: 7 }); },
         tasks: (world) => ({ *writer() { yield* copyToUser(world.mm, world.spareCpu, world.hva(1), new Uint8Array(8).fill(1)); } }),
       };`,
    );
    const { status, stdout, stderr } = umbra('explore', file, '--bound', '1');
    expect(stderr).toContain('broken, after');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^FAIL I[23] {2}pre-emptions: [01] /);
    const schedule = /run {2}umbra replay \S+ '(.*)'/.exec(stdout)![1]!;
    const replay = umbra('replay', file, schedule, '--json');
    expect(replay.status).toBe(1);
    expect(JSON.parse(replay.stdout)).toMatchObject({
      found: { invariant: expect.stringMatching(/^I[23]$/) },
    });
  });

  it('is broken by what a scenario throws in one order alone, for any number of jobs', () => {
    const file = join(folder, 'throws.ts');
    writeFileSync(
      file,
      `import { at, points } from 'umbra';
       let turns = 0;
       export const scenario = { name: 'throws', about: 'an assertion of the scenario fails', tasks: () => {
         turns = 0;
         return {
           *reader() {
             if (points.on) yield at.lru(1);
             const before = turns;
             if (points.on) yield at.lru(1);
             if (turns !== before) throw new TypeError('it was\\nchanged');
           },
           *writer() { if (points.on) yield at.lru(1); turns++; },
         };
       } };`,
    );
    const [alone, ...others] = [[], ['--jobs', '1'], ['--jobs', '2']].map((jobs) =>
      umbra('explore', file, '--json', ...jobs),
    );
    expect(alone!.status).toBe(1);
    const { verdict, failure } = JSON.parse(alone!.stdout);
    expect(verdict).toBe('fail');
    expect(failure).toMatchObject({ invariant: 'error', message: 'TypeError: it was changed, in reader' });
    for (const { status, stdout } of others)
      expect([status, JSON.parse(stdout).failure]).toEqual([1, failure]);
    const replay = umbra('replay', file, failure.schedule);
    expect([replay.status, replay.stdout]).toEqual([
      1,
      expect.stringMatching(/^FAIL error {2}pre-emptions: 1 /),
    ]);
    expect(umbra('replay', file, '-').status).toBe(0);
  });

  it.each([
    [['explore', 'nosuch'], 'no scenario is called nosuch'],
    [['explore', './nosuch.ts'], './nosuch.ts: no such file'],
    [['explore', 'pageout', '--bound', 'x'], 'whole number'],
    [['explore', 'pageout', '--policy', 'luck'], 'Allowed choices'],
    [['explore', 'pageout', '--shard', '3/2'], 'A shard is i/n'],
    [['replay', 'pageout', 'rubbish'], 'bad schedule'],
    [['replay', 'pageout', 'reclaim:3>nobody'], 'does not fit'],
    [['museum', 'nosuch'], 'no exhibit is called nosuch'],
  ])('%j is one clear line', (args, message) => {
    const { status, stdout, stderr } = umbra(...args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

/** The README shows what it says, but for places and numbers of steps; "..." stands for lines that it leaves out. */
function expectTranscript(command: string, stdout: string): void {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const block = readme.split(`    $ npx umbra ${command}\n`)[1]!.split(/\n(?! {4}|\n)/)[0]!;
  const withoutNumbers = (text: string): string => text.replace(/0x[\da-f]+|\d+/g, 'N').replace(/ +/g, ' ');
  const said = withoutNumbers(stdout);
  let from = 0;
  for (const part of block.replace(/^ {4}/gm, '').split('...\n')) {
    const lines = withoutNumbers(part).trim();
    const at = said.indexOf(lines, from);
    expect({ lines, isThere: at >= 0 }).toEqual({ lines, isThere: true });
    from = at + lines.length;
  }
}

describe('umbra museum', () => {
  it('lists what there is', () => {
    const { status, stdout } = umbra('museum');
    expect(status).toBe(0);
    expect(stdout).toContain('no-sequence-check');
    expect(stdout).toContain('3ad3d901bbcf');
  });

  it('tells a story and shows the bug, with a command that replays it', () => {
    const { status, stdout } = umbra('museum', 'no-count-check');
    expect(status).toBe(1);
    expect(stdout).toContain('-    kvm.mmuInvalidateInProgress > 0 &&');
    expect(stdout).toMatch(/FAIL I1/);
    const [, schedule, build] = /run {2}umbra replay no-count-check '(.*)' --build (\d+)\n/.exec(stdout)!;
    expect(umbra('replay', 'no-count-check', schedule!, '--build', build!).status).toBe(1);
    const another = Number(build) > 0 ? Number(build) - 1 : 1;
    const refused = umbra('replay', 'no-count-check', schedule!, '--build', `${another}`);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toBe(
      `umbra: the schedule is of build ${another} of no-count-check, and this is build ${build}: explore it again\n`,
    );
    expectTranscript('museum no-count-check', stdout);
  });
});
