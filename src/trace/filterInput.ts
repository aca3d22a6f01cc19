// What filters see of a record: its fields, and COMM, common_pid and CPU.

import type { FilterInput } from './filter.ts';
import { jsonFields } from './format.ts';
import type { TraceRecord } from './ring.ts';
import { placeOf } from './sinks/sink.ts';
import type { TaskNames } from './tasks.ts';

export function filterInput(record: TraceRecord, tasks: TaskNames): FilterInput {
  return {
    number(field) {
      if (field === 'common_pid') return placeOf(record, tasks).task;
      if (field === 'CPU') return placeOf(record, tasks).cpu;
      return record.fields[field];
    },
    words(field) {
      if (field === 'COMM') return tasks.titleOf(placeOf(record, tasks).task);
      return jsonFields(record, tasks)[field];
    },
  };
}
