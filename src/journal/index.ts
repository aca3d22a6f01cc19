// The undo log: what a program changed since a mark, so that exploring can go back to the start of a run and go again.
//
// Production code does not know it. The loader (loader/writes.ts) rewrites each write to an object, element,
// collection or shared variable into a call of a function here or of one made by `property`, and bundles this room
// in; without the loader nothing imports it. DESIGN D8, D12.
//
// Invariants: those of log.ts. Generators cannot be undone: at a mark none may be under way. A Map and a Set get their
// iteration order back.

export { change, placeOf, recordAdded, remove, setElement, setVariable } from './assignments.ts';
export { type Change, changesSince } from './changes.ts';
export { mark, property, record, rewind, undo, unmark } from './log.ts';
export { mutators } from './mutators.ts';
export { addSites, announced, at, filter, reached, type Site, siteOf, stops } from './sites.ts';
