// What the oracle and the tests see of mm/ beyond its face.

export type { AddressSpace } from './addressSpace.ts';
export {
  FrameKind,
  PG_activate,
  PG_active,
  PG_dirty,
  PG_idle,
  PG_ksm,
  PG_referenced,
  PG_swapcache,
  PG_uptodate,
  PG_writeback,
  PG_young,
} from './frames.ts';
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
export { isFolio } from './iPages.ts';
export { ksmDoScan } from './ksmScan.ts';
export {
  isDirtyMigrationPte,
  isMigrationPte,
  isYoungMigrationPte,
  migrationPfn,
} from './migrationEntry.ts';
export { isPresentPte, isSwapPte, isUffdWp, swapPteSlot } from './pte.ts';
