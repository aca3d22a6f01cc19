// umbra report: prints a trace.dat as trace-cmd does, filtered, or as a histogram of one field.
//
// Events that Umbra has print as the kernel prints them; of others, the fields.

import { Command } from 'commander';
import { readInputFile } from '../platform/index.ts';
import {
  type DatEvent,
  type EventFormat,
  type FilterInput,
  filterInput,
  globMatcher,
  parseFilter,
  printEvent,
  readTraceDat,
  TaskNames,
  type TraceDat,
  TraceError,
  type TraceRecord,
  toRecord,
} from '../trace/index.ts';
import { histogram } from './histogram.ts';
import { EXIT_CODES } from './outcome.ts';

interface ReportFlags {
  readonly filter?: readonly string[];
  readonly hist?: string;
}

/** An event of the file with what is printed and asked of it. */
interface Reported {
  readonly event: DatEvent;
  readonly comm: string;
  readonly text: () => string;
  readonly input: FilterInput;
}

const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

export function command(exit: (code: number) => void): Command {
  return new Command('report')
    .argument('<file>', 'a trace.dat, as umbra trace and trace-cmd write it')
    .option(
      '-F, --filter <filter>',
      '[SYSTEM[:EVENT]:] FIELD OP VALUE: only such events; again for more',
      collect,
    )
    .option('--hist <field>', 'how often which values of a field occur')
    .action((file: string, flags: ReportFlags) => exit(report(file, flags)));
}

function report(file: string, { filter = [], hist }: ReportFlags): number {
  const dat = read(file);
  const passes = filter.map((text) => parseReportFilter(text, dat));
  const chosen = function* (): Iterable<Reported> {
    for (const each of reportedOf(dat))
      if (passes.length === 0 || passes.some((pass) => pass(each))) yield each;
  };
  const out = new Printer();
  try {
    if (hist === undefined) printAll(out, dat, chosen());
    else printHistogram(out, chosen(), hist);
  } finally {
    out.flush();
  }
  return EXIT_CODES.pass;
}

function read(file: string): TraceDat {
  const bytes = readInputFile(file);
  try {
    const dat = readTraceDat(bytes);
    return { ...dat, events: () => eventsOf(dat, file) };
  } catch (error) {
    throw unreadable(file, error);
  }
}

function* eventsOf(dat: TraceDat, file: string): Iterable<DatEvent> {
  try {
    yield* dat.events();
  } catch (error) {
    throw unreadable(file, error);
  }
}

const unreadable = (file: string, error: unknown): unknown =>
  error instanceof TraceError ? new TraceError(`cannot read ${file}: ${error.message}`) : error;

function* reportedOf(dat: TraceDat): Iterable<Reported> {
  const tasks = new TaskNames((id) => ({ name: dat.comms.get(id) ?? '<...>', cpu: 0 }));
  for (const event of dat.events()) {
    const record = toRecord(event);
    const comm = tasks.titleOf(event.pid);
    yield {
      event,
      comm,
      text: () => (record === null ? fieldsText(event) : printEvent(record, tasks)),
      input: inputOf(event, record, comm, tasks),
    };
  }
}

const fieldsText = ({ fields }: DatEvent): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

function inputOf(event: DatEvent, record: TraceRecord | null, comm: string, tasks: TaskNames): FilterInput {
  const known = record === null ? null : filterInput(record, tasks);
  return {
    number(field) {
      if (field === 'CPU') return event.cpu;
      if (field === 'common_pid') return event.pid;
      const value = event.fields[field];
      return (
        known?.number(field) ?? (typeof value === 'string' || value === undefined ? undefined : Number(value))
      );
    },
    words(field) {
      if (field === 'COMM') return comm;
      const value = event.fields[field];
      return known?.words(field) ?? (value === undefined ? undefined : `${value}`);
    },
  };
}

/** trace-cmd's: "kvm/kvm_exit: scause == 21", or a filter for all events. Throws TraceError. */
function parseReportFilter(text: string, { formats }: TraceDat): (reported: Reported) => boolean {
  const match = /^\s*([\w*?]+)(?:[/:]([\w*?]+))?\s*:\s+(.*)$/.exec(text);
  const named = match === null ? formats : formatsNamed(match[1]!, match[2], formats);
  const fields = named.flatMap((format) => format.fields.map(({ name }) => name));
  const filter = parseFilter(match === null ? text : match[3]!, fields);
  const wanted = new Set(named);
  return ({ event: { format }, input }) => wanted.has(format) && filter(input);
}

/** Throws TraceError where there are none. */
function formatsNamed(
  first: string,
  second: string | undefined,
  formats: readonly EventFormat[],
): EventFormat[] {
  const [outer, inner] = [globMatcher(first), second === undefined ? null : globMatcher(second)];
  const named = formats.filter(({ system, name }) =>
    inner === null ? outer(system) || outer(name) : outer(system) && inner(name),
  );
  if (named.length > 0) return named;
  throw new TraceError(`no event of the trace is named ${first}${second === undefined ? '' : `:${second}`}`);
}

function printAll(out: Printer, { cpus }: TraceDat, events: Iterable<Reported>): void {
  out.line(`cpus=${cpus}`);
  for (const { event, comm, text } of events) {
    const who = `${comm.padStart(16)}-${`${event.pid}`.padEnd(5)}`;
    const where = `[${`${event.cpu}`.padStart(3, '0')}]`;
    const name = `${event.format.name}:`.padEnd(21);
    out.line(`${who} ${where} ${secondsOf(event.time).padStart(12)}: ${name} ${text()}`);
  }
}

/** Microseconds, rounded as trace-cmd does it. */
function secondsOf(time: number): string {
  const micros = Math.floor((time + 500) / 1000);
  return `${Math.floor(micros / 1e6)}.${`${micros % 1e6}`.padStart(6, '0')}`;
}

function printHistogram(out: Printer, events: Iterable<Reported>, field: string): void {
  const values: (number | string)[] = [];
  for (const { input } of events) {
    const number = input.number(field);
    const words = input.words(field);
    if (number === undefined && words === undefined) continue;
    values.push(typeof words === 'string' && !/^0x/.test(words) ? words : (number ?? `${words}`));
  }
  if (values.length === 0) throw new TraceError(`no event has a field ${field}`);
  for (const line of histogram(values)) out.line(line);
}

/** Collects lines, so that a large report takes few writes. */
class Printer {
  #text = '';

  line(text: string): void {
    this.#text += `${text}\n`;
    if (this.#text.length > 2 ** 16) this.flush();
  }

  flush(): void {
    process.stdout.write(this.#text);
    this.#text = '';
  }
}
