// The sinks by the name of their format.

import { chromeSink } from './chrome.ts';
import { datSink } from './dat.ts';
import { ftraceSink } from './ftrace.ts';
import { jsonSink } from './jsonLines.ts';
import { perfettoSink } from './perfetto.ts';
import type { Sink, SinkOptions } from './sink.ts';

export const SINKS = {
  ftrace: ftraceSink,
  dat: datSink,
  chrome: chromeSink,
  pftrace: perfettoSink,
  json: jsonSink,
} as const satisfies Record<string, (options: SinkOptions) => Sink>;

export type TraceFormat = keyof typeof SINKS;
