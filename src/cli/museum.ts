// umbra museum: bugs of real kernels, put back into production code by source edits, and found by the explorer.
//
// Without a name it lists them; of those that are named it tells the story, finds the bug and prints the counterexample;
// --check proves the table, or of it what is named: each bug is found within its budget, exhaustively and by POS, and
// production passes the same scenario, which is searched once for all its exhibits.

import { Command } from 'commander';
import { EXHIBITS, type Exhibit, exhibitByName } from '../exhibits/index.ts';
import { replayCommand } from '../exploration.ts';
import { counterexample, MAX_BOUND } from '../explore/index.ts';
import { Interrupt, Interrupted } from '../platform/index.ts';
import { InputError } from '../vmm/index.ts';
import { positiveSeconds, wholeBetween } from './flags.ts';
import { type CheckedExhibit, type Coverage, type FoundBug, findBug, MuseumCheck } from './museumCheck.ts';
import { EXIT_CODES } from './outcome.ts';
import { StatusLine } from './statusLine.ts';
import { count, plural, wrapped } from './words.ts';

interface MuseumFlags {
  readonly check?: true;
  readonly full?: true;
  readonly json?: true;
  readonly bound: number;
  readonly seconds: number;
  readonly hardwareSeconds: number;
  readonly jobs?: number;
}

export function command(exit: (code: number) => void): Command {
  return new Command('museum')
    .argument('[names...]', 'exhibits')
    .option('--check', 'find every bug, and show that production has none of them')
    .option('--bound <number>', 'search production up to so many pre-emptions', wholeBetween(0, MAX_BOUND), 2)
    .option('--seconds <number>', 'give each search of production so much time', positiveSeconds, 600)
    .option(
      '--hardware-seconds <number>',
      'give each with hardware on its own so much time, which most could use for hours',
      positiveSeconds,
      20,
    )
    .option('--jobs <number>', 'search production on so many processes', wholeBetween(1, 64))
    .option('--full', 'print every step of the counterexample')
    .option('--json', 'print one line of JSON')
    .action(async (names: readonly string[], flags: MuseumFlags) => exit(await museum(names, flags)));
}

async function museum(names: readonly string[], flags: MuseumFlags): Promise<number> {
  const exhibits = names.map(exhibitOf);
  if (flags.check) return await checkAll(exhibits.length === 0 ? EXHIBITS : exhibits, flags);
  for (const exhibit of exhibits) await show(exhibit, flags);
  if (exhibits.length > 0) return EXIT_CODES.fail;
  if (flags.json) process.stdout.write(`${JSON.stringify(EXHIBITS.map(({ edits: _, ...rest }) => rest))}\n`);
  else process.stdout.write(listing());
  return EXIT_CODES.pass;
}

function exhibitOf(name: string): Exhibit {
  const exhibit = exhibitByName(name);
  if (exhibit !== undefined) return exhibit;
  throw new InputError(`no exhibit is called ${name} (umbra museum lists them)`);
}

function listing(): string {
  const width = Math.max(...EXHIBITS.map(({ name }) => name.length));
  const lines = EXHIBITS.map(
    ({ name, title, source, invariant, steps, preemptions }) =>
      `${name.padEnd(width)}  ${invariant.padEnd(3)}  ${plural(preemptions, 'pre-emption').padEnd(14)}  ` +
      `${`${steps} steps`.padEnd(9)}  ${title}\n` +
      `${' '.repeat(width)}       ${source}`,
  );
  return `${lines.join('\n')}\n\numbra museum NAME tells a story and runs it.\n`;
}

/** The bug, with a line of status meanwhile. Throws Interrupted, and says what was covered. */
async function found(exhibit: Exhibit): Promise<FoundBug> {
  const interrupt = new Interrupt();
  const status = new StatusLine(process.stderr);
  try {
    const progress = (text: string): void => status.update(() => `${exhibit.name}: ${text}`);
    const bug = await findBug(exhibit, { interrupt, progress });
    status.clear();
    const { schedules } = bug.search.state;
    if (interrupt.isAborted && bug.failure === null)
      process.stderr.write(`umbra: ${exhibit.name}: not found yet, after ${plural(schedules, 'schedule')}\n`);
    interrupt.throwIfAborted();
    return bug;
  } finally {
    status.clear();
    interrupt.dispose();
  }
}

async function show(exhibit: Exhibit, flags: MuseumFlags): Promise<void> {
  const { variant, explorer, search, failure } = await found(exhibit);
  if (failure === null)
    throw new InputError(`${exhibit.name}: the bug is not found; try umbra museum --check`);
  const schedule = variant.formatSchedule(failure.schedule);
  const replay = replayCommand(variant, exhibit.name, schedule);
  const lanes = variant.traceRun(explorer, failure.schedule);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ exhibit: exhibit.name, replay, ...lanes })}\n`);
    return;
  }
  process.stdout.write(
    `${exhibit.title}\n${exhibit.source}\n\n${paragraph(exhibit.story)}\n\n${paragraph(`Fixed: ${exhibit.fix}`)}\n\n`,
  );
  for (const { file, find, replace } of exhibit.edits) process.stdout.write(diff(file, find, replace));
  process.stdout.write(
    counterexample(lanes, {
      replay,
      twin: variant.passingTwin(explorer, failure),
      how: `all schedules of at most ${plural(search.state.bound, 'pre-emption')}, schedule ${search.state.schedules}`,
      formatSchedule: variant.formatSchedule,
      full: flags.full === true,
    }),
  );
}

const paragraph = (text: string): string => wrapped(text, 98).join('\n');

function diff(file: string, find: string, replace: string): string {
  const lines = (text: string, mark: string): string =>
    text === ''
      ? ''
      : `${text
          .split('\n')
          .map((line) => `${mark}${line}`)
          .join('\n')}\n`;
  return `--- ${file}\n${lines(find, '-')}${lines(replace, '+')}\n`;
}

async function checkAll(exhibits: readonly Exhibit[], flags: MuseumFlags): Promise<number> {
  const interrupt = new Interrupt();
  const status = new StatusLine(process.stderr);
  const results: CheckedExhibit[] = [];
  let name = '';
  const progress = (text: string): void => status.update(() => `${name}: ${text}`);
  const check = new MuseumCheck({ ...flags, interrupt, progress });
  try {
    for (const exhibit of exhibits) {
      name = exhibit.name;
      const result = await check.check(exhibit);
      status.clear();
      results.push(result);
      if (!flags.json) process.stdout.write(resultLines(result));
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    status.clear();
    process.stderr.write(
      `umbra: interrupted at ${name}: ${results.length} of ${exhibits.length} checked before\n`,
    );
  } finally {
    status.clear();
    interrupt.dispose();
  }
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ schema: 'umbra.museum/1', exhibits: results })}\n`);
  if (interrupt.isAborted) return interrupt.exitCode;
  const verdicts = results.map(({ verdict }) => verdict);
  if (verdicts.includes('fail')) return EXIT_CODES.fail;
  return verdicts.includes('incomplete') ? EXIT_CODES.limit : EXIT_CODES.pass;
}

const MARKS = { pass: 'ok  ', fail: 'FAIL', incomplete: 'part' } as const;

function resultLines(result: CheckedExhibit): string {
  const { name, scenario, verdict, budget, bounded, pos, preemptions, production } = result;
  const runs = (schedules: number | null, most: number): string =>
    `${schedules === null ? 'not found' : `schedule ${count(schedules)}`} of ${count(most)}`;
  const found = `${runs(bounded, budget.bounded)}, ${plural(preemptions, 'pre-emption')}`;
  return (
    `${MARKS[verdict]} ${name.padEnd(26)} found by bound: ${found}; by POS: ${runs(pos, budget.pos)}\n` +
    `       production (${scenario}): ${coverage(production.tasks)}\n` +
    `       with hardware on its own: ${coverage(production.hardware)}\n`
  );
}

/** What was covered, in words that claim no more than that. */
function coverage({ verdict, bound, hardware, schedules, states, schedule }: Coverage): string {
  const ran = `${plural(schedules, 'schedule')}, ${plural(states, 'state')}`;
  const limits = `at most ${plural(bound, 'pre-emption')}${hardware > 0 ? ` and ${plural(hardware, 'action')}` : ''}`;
  if (verdict === 'pass') return `nothing in any schedule of ${limits} (${ran})`;
  return schedule !== null
    ? `BROKEN by ${schedule} (${ran})`
    : `nothing in part of those of ${limits} (${ran})`;
}
