// The table of tracepoints keeps its own rules.

import { describe, expect, it } from 'vitest';
import { MmuNotifyEvent } from '../../src/notifier/index.ts';
import { EVENT_NAMES, EVENTS, NOTIFIER_EVENTS } from '../../src/trace/index.ts';
import { RECORD_WORDS } from '../../src/trace/ring.ts';

describe('the table of tracepoints', () => {
  it.each(EVENT_NAMES)('%s has fields that fit a record and names that fit a line', (name) => {
    const fields = Object.keys(EVENTS[name].fields);
    expect(fields.length).toBeGreaterThan(0);
    expect(fields.length).toBeLessThanOrEqual(RECORD_WORDS - 3);
    expect(fields.filter((field) => ['time', 'task', 'event'].includes(field))).toEqual([]);
    expect(fields.every((field) => /^[a-z][a-z_]*$/.test(field))).toBe(true);
  });

  it('names the notifier events in order of their values', () => {
    const byValue = Object.entries(MmuNotifyEvent).sort(([, a], [, b]) => a - b);
    expect(byValue.map(([name]) => `MMU_NOTIFY_${name}`)).toEqual(NOTIFIER_EVENTS);
    expect(byValue.map(([, value]) => value)).toEqual(NOTIFIER_EVENTS.map((_, i) => i));
  });
});
