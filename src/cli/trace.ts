// umbra trace: runs another verb and writes what its tracepoints say, in the language of the tool that will read it.
//
// Everything behind -- is a command line of its own; the verb is handed what to trace (TraceRequest).

import { Command, Option } from 'commander';
import {
  EVENT_TITLES,
  EVENTS,
  type EventFilter,
  type EventName,
  parseFilter,
  SINKS,
  selectEvents,
  type TraceFormat,
} from '../trace/index.ts';
import { path } from './flags.ts';
import { runObserved } from './observer.ts';
import { EXIT_CODES } from './outcome.ts';
import type { TraceRequest } from './tracing.ts';

interface TraceFlags {
  readonly output?: string;
  readonly format?: TraceFormat;
  readonly list?: true;
}

/** -e and -f in the order in which they were given. */
type Choice = { readonly kind: 'event' | 'filter'; readonly text: string };

const FORMATS = Object.keys(SINKS) as TraceFormat[];
const FORMAT_OF_SUFFIX: Readonly<Record<string, TraceFormat>> = {
  dat: 'dat',
  json: 'chrome',
  jsonl: 'json',
  pftrace: 'pftrace',
};

export function command(exit: (code: number) => void): Command {
  const choices: Choice[] = [];
  const note = (kind: Choice['kind']) => (text: string) => {
    choices.push({ kind, text });
    return text;
  };
  return new Command('trace')
    .usage('[options] -- VERB [arguments]')
    .argument('[command...]', 'what to trace, as in: run guests/hello.s')
    .addOption(
      new Option(
        '-e, --event <pattern>',
        'SYSTEM, SYSTEM:EVENT or EVENT, with * and ?; again for more (default: all)',
      ).argParser(note('event')),
    )
    .addOption(
      new Option(
        '-f, --filter <filter>',
        'FIELD OP VALUE, with && || ! ( ): for the -e before it, or for all',
      ).argParser(note('filter')),
    )
    .option('-o, --output <file>', 'where to (default: standard output)', path)
    .addOption(new Option('--format <format>', "default: by the file's suffix, or ftrace").choices(FORMATS))
    .option('-l, --list', 'list the events')
    .action(async (words: readonly string[], flags: TraceFlags) => {
      if (flags.list) return exit(list(choices));
      const trace = requestOf(flags, choices);
      await runObserved(words, ['run', 'mm', 'replay'], { trace }, exit);
    });
}

function list(choices: readonly Choice[]): number {
  const wanted = new Set(eventsOf(choices));
  for (const title of EVENT_TITLES)
    if (wanted.has(title.split(':')[1] as EventName)) process.stdout.write(`${title}\n`);
  return EXIT_CODES.pass;
}

function requestOf({ output, format }: TraceFlags, choices: readonly Choice[]): TraceRequest {
  const events = eventsOf(choices);
  const suffix = output === undefined ? '' : output.slice(output.lastIndexOf('.') + 1);
  return {
    path: output ?? null,
    format: format ?? FORMAT_OF_SUFFIX[suffix] ?? 'ftrace',
    events,
    filters: filtersOf(choices, events),
  };
}

function eventsOf(choices: readonly Choice[]): EventName[] {
  const patterns = choices.filter(({ kind }) => kind === 'event').map(({ text }) => text);
  return selectEvents(patterns.length === 0 ? ['*'] : patterns);
}

const fieldsOf = (event: EventName): string[] => Object.keys(EVENTS[event].fields);

function filtersOf(choices: readonly Choice[], all: readonly EventName[]): EventFilter[] {
  const filters: EventFilter[] = [];
  let events = all;
  for (const { kind, text } of choices) {
    if (kind === 'event') events = selectEvents([text]);
    else filters.push({ events, filter: parseFilter(text, events.flatMap(fieldsOf)) });
  }
  return filters;
}
