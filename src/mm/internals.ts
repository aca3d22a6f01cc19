// What the oracle and the tests see of mm/ beyond its face.

export type { AddressSpace } from './filemap/addressSpace.ts';
export { isFolio } from './filemap/iPages.ts';
export { writeCachePages } from './filemap/writeback.ts';
export {
  forEachPte,
  forEachPteIn,
  inspectBacking,
  inspectFilePage,
  inspectPage,
  inspectPte,
  inspectPtep,
  touchForStore,
} from './inspect.ts';
export { ksmDoScan } from './ksm/ksmScan.ts';
export {
  FrameKind,
  PG_activate,
  PG_active,
  PG_dirty,
  PG_idle,
  PG_ksm,
  PG_locked,
  PG_lru,
  PG_referenced,
  PG_swapcache,
  PG_uptodate,
  PG_writeback,
  PG_young,
} from './page/frames.ts';
export {
  isDirtyMigrationPte,
  isMigrationPte,
  isYoungMigrationPte,
  migrationPfn,
} from './pagetable/migrationEntry.ts';
export { isPresentPte, isSwapPte, isUffdWp, swapPteSlot } from './pagetable/pte.ts';
