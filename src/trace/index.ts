// The face of trace/: tracepoints, the bus, the ring, the text of a record, and the sinks that write traces for other
// tools.

export { type DatEvent, type EventFormat, readTraceDat, type TraceDat } from './datReader.ts';
export { CompactResult } from './events/compaction.ts';
export { FileName, Scan } from './events/hugeMemory.ts';
export { exitCause, HART_EXITS } from './events/kvm.ts';
export { MigrateMode, MigrateReason } from './events/migrate.ts';
export {
  GFP_HIGHUSER_MOVABLE,
  reclaimFlags,
  TlbFlushReason,
} from './events/mm.ts';
export { NOTIFIER_EVENTS } from './events/mmuNotifier.ts';
export { EVENT_NAMES, EVENTS, type EventName } from './events.ts';
export { type Filter, type FilterInput, parseFilter } from './filter.ts';
export { filterInput } from './filterInput.ts';
export { EVENT_TITLES, printEvent, toJsonLine } from './format.ts';
export { globMatcher } from './glob.ts';
export { decodeRecord, RECORD_WORDS, type RecordOf, type TraceRecord, TraceRing } from './ring.ts';
export { nearest, selectEvents } from './select.ts';
export { SINKS, type TraceFormat } from './sinks/formats.ts';
export type { Sink, SinkOptions } from './sinks/sink.ts';
export { MemorySpool, type Spool } from './sinks/spool.ts';
export { type TaskLookup, TaskNames, type TraceTask } from './tasks.ts';
export { toRecord } from './toRecord.ts';
export { type Probe, type Stamp, Trace, type Tracepoints } from './trace.ts';
export { TraceError } from './traceError.ts';
export { type EventFilter, filtered } from './tracer.ts';
