// What the tasks of a scenario call: the host's memory manager, its notifiers and devices, and the words of explore/.
//
// Part of the public API. In a variant (loader/) this is what a scenario gets that imports from 'umbra': the rest of the
// API drives runs from outside.

export * from './drivers/index.ts';
export {
  checkUsed,
  type HostShape,
  hasReturned,
  loadFrom,
  type Scenario,
  storeByDevice,
  storeThrough,
  type VmShape,
  type World,
} from './explore/index.ts';
export * from './mm/index.ts';
export * from './notifier/index.ts';
export { at, points, type Steps } from './sched/index.ts';
export type { Gfn, Gpa, Hpa, Hva, Pfn, SwapSlot } from './units.ts';
