// What the oracle and the tests see of mm/ beyond its face.

export type { AddressSpace } from './addressSpace.ts';
export { FrameKind, PG_dirty, PG_swapcache } from './frames.ts';
export {
  forEachPte,
  inspectFilePage,
  inspectPage,
  inspectPte,
  inspectPtep,
  touchForStore,
} from './inspect.ts';
export { isFolio } from './iPages.ts';
export {
  isDirtyMigrationPte,
  isMigrationPte,
  isYoungMigrationPte,
  migrationPfn,
} from './migrationEntry.ts';
export { isPresentPte, isSwapPte, swapPteSlot } from './pte.ts';
