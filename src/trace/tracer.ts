// From the ring to a sink, through filters: what `umbra trace` makes of the records of a run.
//
// A filter belongs to some events; an event that has none passes, if it is wanted at all.

import { EVENT_NAMES, type EventName } from './events.ts';
import type { Filter } from './filter.ts';
import { filterInput } from './filterInput.ts';
import { decodeRecord, RECORD_WORDS } from './ring.ts';
import type { Sink } from './sinks/sink.ts';
import type { TaskNames } from './tasks.ts';

export interface EventFilter {
  readonly events: readonly EventName[];
  readonly filter: Filter;
}

/** A sink that takes only `events`, and of these what passes all filters of the event. */
export function filtered(
  sink: Sink,
  events: readonly EventName[],
  filters: readonly EventFilter[],
  tasks: TaskNames,
): Sink {
  if (filters.length === 0 && events.length === EVENT_NAMES.length) return sink;
  const wanted = new Set(events);
  const filtersOf = new Map<EventName, Filter[]>();
  for (const { events: of, filter } of filters) {
    for (const event of of) filtersOf.set(event, [...(filtersOf.get(event) ?? []), filter]);
  }
  const passes = (records: Float64Array, at: number): boolean => {
    const record = decodeRecord(records, at);
    if (!wanted.has(record.event)) return false;
    const input = filterInput(record, tasks);
    return (filtersOf.get(record.event) ?? []).every((filter) => filter(input));
  };
  return {
    add(records) {
      const kept = new Float64Array(records.length);
      let end = 0;
      for (let at = 0; at < records.length; at += RECORD_WORDS) {
        if (!passes(records, at)) continue;
        kept.set(records.subarray(at, at + RECORD_WORDS), end);
        end += RECORD_WORDS;
      }
      if (end > 0) sink.add(kept.subarray(0, end));
    },
    end: () => sink.end(),
  };
}
