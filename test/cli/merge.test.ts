// umbra explore --jobs and --shard, and umbra merge: parts of a search come to what the whole comes to, and nothing is
// believed of a file.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readShardReport } from '../../src/cli/shardFile.ts';
import { said } from './here.ts';
import { jsonOf, ROOT, umbra } from './umbra.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbra-merge-'));
afterAll(() => rmSync(folder, { recursive: true }));

const RACE = join(ROOT, 'examples/race.scenario.ts');
const SHARDS = 3;
type Json = Record<string, unknown>;

function write(name: string, report: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof report === 'string' ? report : JSON.stringify(report));
  return file;
}

/** The report of an exploration. */
const explored = async (...args: string[]): Promise<Json> =>
  jsonOf((await said('explore', ...args, '--json')).stdout);

describe('umbra explore --jobs', () => {
  // Fills the start cache, which workers load from.
  beforeAll(() => void umbra('help'));

  it('finds what one process finds, whatever their number', async () => {
    const alone = await explored(RACE);
    expect(alone).toMatchObject({ bound: 1, failure: { invariant: 'I1', preemptions: 1 } });
    const [one, two] = [await explored(RACE, '--jobs', '1'), await explored(RACE, '--jobs', '2')];
    expect(one).toEqual(two);
    expect(one).toMatchObject({ bound: 1, failure: alone.failure });
  });

  it('draws the same seeds', async () => {
    const drawn = ['--policy', 'random', '--seed', '9'];
    const alone = await explored(RACE, ...drawn);
    expect(alone.failure).not.toBeNull();
    expect(await explored(RACE, ...drawn, '--jobs', '2')).toEqual(alone);
  });

  it('says what was covered when time is up', async () => {
    const { code, stderr } = await said('explore', 'pageout-warm', '--jobs', '1', '--seconds', '0.1');
    expect(code).toBe(124);
    expect(stderr).toMatch(
      /^umbra: pageout-warm: incomplete: nothing found in .* part of those with [0-2] \(.*\)\n$/,
    );
  });
});

describe('umbra merge', () => {
  const WHOLE = ['pageout-warm', '--bound', '1', '--hardware', '0'];
  const parts: Json[] = [];
  const files: string[] = [];
  beforeAll(async () => {
    for (let index = 1; index <= SHARDS; index++) {
      const part = await explored(...WHOLE, '--shard', `${index}/${SHARDS}`);
      parts.push(part);
      files.push(write(`part${index}.json`, part));
    }
  }, 60_000);

  const ofShard = (part: Json, changes: Json): Json => ({
    ...part,
    shard: { ...(part.shard as Json), ...changes },
  });

  it('makes one verdict of all shards', async () => {
    const whole = await explored(...WHOLE);
    const { code, stdout, stderr } = await said('merge', ...files, '--json');
    expect([code, stderr]).toEqual([0, '']);
    const merged = jsonOf(stdout);
    expect(merged).toMatchObject({ verdict: 'pass', complete: true, bound: 1, failure: null });
    expect(merged.schedules).toBeGreaterThanOrEqual(whole.schedules as number);
    for (const { schedules, complete, verdict } of parts) {
      expect(schedules).toBeLessThan((whole.schedules as number) * 0.7);
      expect([complete, verdict]).toEqual([false, 'pass']);
    }
  });

  it('is incomplete without one of them, and names it', async () => {
    const { code, stderr } = await said('merge', files[0]!, files[2]!);
    expect(code).toBe(124);
    expect(stderr).toContain('umbra: pageout-warm: 1 shard of 3 missing: 2\n');
    expect(stderr).toContain('incomplete: nothing found in only part of those with 0 (');
  });

  it('is incomplete where one did not know of a point that matters; --points tells it', async () => {
    const { known } = parts[1]!.shard as { known: [number, string, boolean, boolean, number[]][] };
    const less = known.map(([key, owner, , , locks]) => [key, owner, false, false, locks]);
    const partial = write('partial.json', ofShard(parts[1]!, { known: less }));
    const { code, stdout, stderr } = await said('merge', files[0]!, partial, files[2]!, '--json');
    expect(code).toBe(124);
    expect(stderr).toContain('a shard did not know of all points that matter');
    const points = write('points.json', stdout);
    const again = await explored(...WHOLE, '--shard', '2/3', '--points', points);
    expect((await said('merge', files[0]!, write('again.json', again), files[2]!)).code).toBe(0);
  });

  it('shows a failure once, when it has happened again', async () => {
    const found: string[] = [];
    for (const index of [1, 2])
      found.push(write(`race${index}.json`, await explored(RACE, '--shard', `${index}/2`)));
    expect((await said('merge', ...found)).stderr).toMatch(
      /race1\.json: is of a file, .*: name it with --scenario\n$/,
    );
    const { code, stdout } = await said('merge', ...found, '--scenario', RACE);
    expect(code).toBe(1);
    expect(stdout.match(/^FAIL I1 /gm)).toHaveLength(1);
    expect(stdout).toContain('run  umbra replay');
    const failure = { invariant: 'I1', message: '', schedule: '-' };
    const part = ofShard(JSON.parse(readFileSync(found[0]!, 'utf8')), { complete: false });
    const lie = write('lie.json', { ...part, verdict: 'fail', failure });
    const lying = await said('merge', lie, found[1]!, '--scenario', RACE);
    expect([lying.code, lying.stderr]).toEqual([
      2,
      `umbra: ${lie}: its failure does not happen when it is replayed\n`,
    ]);
  });

  it('is of one search and one version, each shard once', async () => {
    expect((await said('merge', files[0]!, files[0]!)).stderr).toMatch(/ are both shard 1\/3\n$/);
    const other = write('other.json', { ...parts[1]!, policy: 'delay' });
    expect((await said('merge', files[0]!, other)).stderr).toMatch(
      /other\.json: policy is delay, and bounded in .*part1\.json\n$/,
    );
    const old = write('old.json', ofShard(parts[0]!, { version: 'x' }));
    const { code, stderr } = await said('merge', old);
    expect([code, stderr]).toEqual([2, `umbra: ${old}: is of another version of Umbra or of pageout-warm\n`]);
  });

  it.each<[string, (report: Json) => unknown]>([
    ['no JSON', () => '{"schema":'],
    ['a list', () => '[]'],
    ['null', () => 'null'],
    ['another schema', (report) => ({ ...report, schema: 'umbra.explore/2' })],
    ['no shard', ({ shard: _, ...report }) => report],
    ['an index above the count', (report) => ofShard(report, { index: 4 })],
    ['a negative count', (report) => ({ ...report, schedules: -1 })],
    ['a bound that is text', (report) => ({ ...report, bound: '1' })],
    ['a terminal escape', (report) => ({ ...report, scenario: 'pageout\u001b[2J' })],
    ['points that are none', (report) => ofShard(report, { known: [[1, 2]] })],
    ['a pass that is not complete', (report) => ofShard(report, { complete: false })],
    [
      'a failure that passes',
      (report) => ({ ...report, failure: { invariant: '', message: '', schedule: '-' } }),
    ],
  ])('refuses %s in one line', (_, change) => {
    const file = write('hostile.json', change(parts[0]!));
    expect(() => readShardReport(file)).toThrow(/^[^\n]*hostile\.json: [^\n]*$/);
  });
});
