// The sites of tracepoints: each event has one, and passes as many values as the event has fields, in a run that
// meets most of them.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVENT_NAMES, type EventName, fieldNames } from '../../src/trace/events.ts';
import type { Probe } from '../../src/trace/index.ts';
import { loadGuest, type RunOptions, startGuest } from '../guests/support.ts';

const SRC = join(import.meta.dirname, '../../src');
const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('trace/'))
  .map((name) => readFileSync(join(SRC, name), 'utf8'))
  .join('\n');

/** sched/ knows its tracepoints by an interface of its own. */
const BY_INTERFACE: readonly string[] = ['sched_switch', 'sched_wakeup'];

it('no event is in the tables that nobody traces', () => {
  const sites = new Set([...sources.matchAll(/\btrace\.(\w+)\?\.\(/g)].map(([, name]) => name!));
  expect(EVENT_NAMES.filter((name) => !sites.has(name) && !BY_INTERFACE.includes(name))).toEqual([]);
});

/** Runs a guest, and has every call of a tracepoint looked at. */
function watch(
  name: string,
  mmu: 'shadow' | 'tdp',
  look: (event: EventName, values: readonly number[]) => void,
  options: RunOptions = {},
): void {
  const started = startGuest(loadGuest(name), { mmu, check: 'off', ...options });
  const points = started.machine.trace.points as Record<EventName, Probe | null>;
  for (const event of EVENT_NAMES) points[event] = (...values) => look(event, values as number[]);
  while (started.runSlice(() => true) === 'running');
}

describe('a call of a tracepoint', () => {
  it('has a number for each field', () => {
    const seen = new Set<EventName>();
    const wrong = new Set<string>();
    const look = (event: EventName, values: readonly number[]): void => {
      seen.add(event);
      if (values.length !== fieldNames(event).length) wrong.add(`${event}: ${values.length} values`);
      values.forEach((value, i) => {
        if (!Number.isInteger(value)) wrong.add(`${event}.${fieldNames(event)[i]} is ${value}`);
      });
    };
    watch('kernel', 'shadow', look);
    watch('kernel', 'tdp', look, { hostRamBytes: 2 ** 24, memoryMaxBytes: 2 ** 18 });
    watch('harts', 'shadow', look);
    expect([...wrong]).toEqual([]);
    const rare: readonly string[] = [
      ...EVENT_NAMES.filter((event) => event.startsWith('ksm_')),
      'invalidate_range_start_failed',
      'swap_io_error',
      'mark_victim',
      'test_young',
      'clear_young',
      'clear_flush_young',
      'release',
      'unregister',
      'kvm_mmu_walker_error',
      'mm_vmscan_direct_reclaim_begin',
      'mm_vmscan_direct_reclaim_end',
      'kvm_test_age_hva',
      'mm_migrate_pages_start',
      'mm_migrate_pages',
      'set_migration_pte',
      'remove_migration_pte',
      'mm_compaction_isolate_migratepages',
      'mm_compaction_migratepages',
      'mm_compaction_begin',
      'mm_compaction_end',
      'mm_khugepaged_scan_pmd',
      'mm_collapse_huge_page',
      'mm_collapse_huge_page_isolate',
      'mm_collapse_huge_page_swapin',
      'mm_khugepaged_scan_file',
      'mm_khugepaged_collapse_file',
    ];
    expect(EVENT_NAMES.filter((event) => !seen.has(event) && !rare.includes(event))).toEqual([]);
  });
});
