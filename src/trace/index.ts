// The face of trace/: tracepoints, the bus, the ring and the text of a record.

export { EVENT_NAMES, EVENTS, type EventName, NOTIFIER_EVENTS } from './events.ts';
export { toJsonLine } from './format.ts';
export { decodeRecord, RECORD_WORDS, type TraceRecord, TraceRing } from './ring.ts';
export { type Probe, Trace, type Tracepoints } from './trace.ts';
