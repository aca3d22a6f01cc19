// migrate: as Linux 6.18 has it (include/trace/events/migrate.h).
//
// mm/migrate/migrate.ts calls these, and tryToMigrate.ts for each page table entry.

import { numbered, symbolic, system } from '../shape.ts';

/** enum migrate_mode. */
export const MigrateMode = { ASYNC: 0, SYNC_LIGHT: 1, SYNC: 2 } as const;
export type MigrateMode = (typeof MigrateMode)[keyof typeof MigrateMode];

/** enum migrate_reason. */
export const MigrateReason = {
  COMPACTION: 0,
  MEMORY_FAILURE: 1,
  MEMORY_HOTPLUG: 2,
  SYSCALL: 3,
  MEMPOLICY_MBIND: 4,
  NUMA_MISPLACED: 5,
  CONTIG_RANGE: 6,
  LONGTERM_PIN: 7,
  DEMOTION: 8,
  DAMON: 9,
} as const;
export type MigrateReason = (typeof MigrateReason)[keyof typeof MigrateReason];

const mode = symbolic('mode', numbered(['MIGRATE_ASYNC', 'MIGRATE_SYNC_LIGHT', 'MIGRATE_SYNC']));
const reason = symbolic(
  'reason',
  numbered([
    'compaction',
    'memory_failure',
    'memory_hotplug',
    'syscall_or_cpuset',
    'mempolicy_mbind',
    'numa_misplaced',
    'contig_range',
    'longterm_pin',
    'demotion',
    'damon',
  ]),
);

/** DECLARE_EVENT_CLASS(migration_pte). */
const MIGRATION_PTE = [
  { addr: 'unsigned long', pte: 'unsigned long', order: 'int' },
  'addr=%lx, pte=%lx order=%d',
  'addr',
  'pte',
  'order',
] as const;

export const MIGRATE_EVENTS = system('migrate', {
  mm_migrate_pages: [
    {
      succeeded: 'unsigned long',
      failed: 'unsigned long',
      thp_succeeded: 'unsigned long',
      thp_failed: 'unsigned long',
      thp_split: 'unsigned long',
      large_folio_split: 'unsigned long',
      mode: 'enum migrate_mode',
      reason: 'int',
    },
    'nr_succeeded=%lu nr_failed=%lu nr_thp_succeeded=%lu nr_thp_failed=%lu nr_thp_split=%lu nr_split=%lu mode=%s ' +
      'reason=%s',
    'succeeded',
    'failed',
    'thp_succeeded',
    'thp_failed',
    'thp_split',
    'large_folio_split',
    mode,
    reason,
  ],
  mm_migrate_pages_start: [{ mode: 'enum migrate_mode', reason: 'int' }, 'mode=%s reason=%s', mode, reason],
  set_migration_pte: MIGRATION_PTE,
  remove_migration_pte: MIGRATION_PTE,
});
