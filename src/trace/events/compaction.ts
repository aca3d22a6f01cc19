// compaction: as Linux 6.18 has it (include/trace/events/compaction.h), what one run of compact_zone() tells.
//
// mm/migrate/compaction.ts calls these.

import { either, type SymbolTable, symbolic, system } from '../shape.ts';

/** enum compact_result. */
export const CompactResult = {
  NOT_SUITABLE_ZONE: 0,
  SKIPPED: 1,
  DEFERRED: 2,
  NO_SUITABLE_PAGE: 3,
  CONTINUE: 4,
  COMPLETE: 5,
  PARTIAL_SKIPPED: 6,
  CONTENDED: 7,
  SUCCESS: 8,
} as const;
export type CompactResult = (typeof CompactResult)[keyof typeof CompactResult];

/** COMPACTION_STATUS, in the kernel's order. */
const STATUS: SymbolTable = [
  [CompactResult.SKIPPED, 'skipped'],
  [CompactResult.DEFERRED, 'deferred'],
  [CompactResult.CONTINUE, 'continue'],
  [CompactResult.SUCCESS, 'success'],
  [CompactResult.PARTIAL_SKIPPED, 'partial_skipped'],
  [CompactResult.COMPLETE, 'complete'],
  [CompactResult.NO_SUITABLE_PAGE, 'no_suitable_page'],
  [CompactResult.NOT_SUITABLE_ZONE, 'not_suitable_zone'],
  [CompactResult.CONTENDED, 'contended'],
];

const RUN = {
  zone_start: 'unsigned long',
  migrate_pfn: 'unsigned long',
  free_pfn: 'unsigned long',
  zone_end: 'unsigned long',
  sync: 'bool',
} as const;
const RUN_FORMAT = 'zone_start=0x%lx migrate_pfn=0x%lx free_pfn=0x%lx zone_end=0x%lx, mode=%s';
const mode = either('sync', 'sync', 'async');

export const COMPACTION_EVENTS = system('compaction', {
  mm_compaction_isolate_migratepages: [
    {
      start_pfn: 'unsigned long',
      end_pfn: 'unsigned long',
      nr_scanned: 'unsigned long',
      nr_taken: 'unsigned long',
    },
    'range=(0x%lx ~ 0x%lx) nr_scanned=%lu nr_taken=%lu',
    'start_pfn',
    'end_pfn',
    'nr_scanned',
    'nr_taken',
  ],
  mm_compaction_migratepages: [
    { nr_migrated: 'unsigned long', nr_failed: 'unsigned long' },
    'nr_migrated=%lu nr_failed=%lu',
    'nr_migrated',
    'nr_failed',
  ],
  mm_compaction_begin: [RUN, RUN_FORMAT, 'zone_start', 'migrate_pfn', 'free_pfn', 'zone_end', mode],
  mm_compaction_end: [
    { ...RUN, status: 'int' },
    `${RUN_FORMAT} status=%s`,
    'zone_start',
    'migrate_pfn',
    'free_pfn',
    'zone_end',
    mode,
    symbolic('status', STATUS),
  ],
});
