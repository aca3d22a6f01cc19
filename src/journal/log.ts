// The log itself: what is to be put back, in the order in which it was changed.
//
// Invariants: while `undo.on`, every change of what existed at the mark is recorded before it happens; entries are
// undone newest first, so an old value is right even if what is recorded later happened earlier.

// biome-ignore lint/suspicious/noExplicitAny: a journal holds values of every type
export type Anything = any;

/** What an entry undoes; from FIRST_PROPERTY on, the property whose setter has that index. */
export const Kind = {
  element: 0,
  arrayLength: 1,
  array: 2,
  typed: 3,
  mapSet: 4,
  mapAdded: 5,
  map: 6,
  setAdded: 7,
  set: 8,
  variable: 9,
  removed: 10,
  weakMap: 11,
  popped: 12,
  page: 13,
  kept: 14,
  /** Of a DataView, at a byte. */
  word: 15,
  /** Elements of the typed arrays that are written most: a store that may be to any object is slow. */
  int32: 16,
  uint32: 17,
  uint8: 18,
} as const;
export const FIRST_PROPERTY = 24;

// By entry
export const targets: Anything[] = [];
export const entryKinds: number[] = [];
export const keys: Anything[] = [];
export const olds: Anything[] = [];

/** Read by the functions that the loader writes into each file. `run`: marks and rewinds so far. */
export const undo = { on: false, length: 0, run: 0 };

/** Of memory that is copied or cleared by the page. */
export const PAGE = 4096;

/** Records that `target`'s `key` (as `kind` understands it) is about to change from `old`. */
export function record(target: Anything, kind: number, key: Anything, old: Anything): void {
  const at = undo.length++;
  targets[at] = target;
  entryKinds[at] = kind;
  keys[at] = key;
  olds[at] = old;
}

// Properties

type Setter = (target: Anything, value: Anything) => void;

const setters: Setter[] = [];
/** By kind, from FIRST_PROPERTY on. */
export const propertyNames: string[] = [];
const kinds = new Map<string, number>();

/** The kind of entries about properties named `name`; `setter` puts a value back. */
export function property(name: string, setter: Setter): number {
  let kind = kinds.get(name);
  if (kind === undefined) {
    kind = FIRST_PROPERTY + setters.length;
    setters.push(setter);
    propertyNames.push(name);
    kinds.set(name, kind);
  }
  return kind;
}

// Back and forth

/** From now on changes are recorded. */
export function mark(): void {
  beginRun();
  undo.on = true;
}

/** Back to the mark; changes go on being recorded. */
export function rewind(): void {
  undo.on = false;
  for (let at = undo.length - 1; at >= 0; at--) revert(targets[at], entryKinds[at]!, keys[at], olds[at]);
  beginRun();
  undo.on = true;
}

function beginRun(): void {
  undo.length = 0;
  undo.run++;
}

/** What was changed since the mark stays, and nothing is recorded any more. */
export function unmark(): void {
  undo.on = false;
  undo.length = 0;
  targets.length = entryKinds.length = keys.length = olds.length = 0;
}

function revert(target: Anything, kind: number, key: Anything, old: Anything): void {
  if (kind >= FIRST_PROPERTY) {
    setters[kind - FIRST_PROPERTY]!(target, old);
    return;
  }
  if (kind === Kind.element) target[key] = old;
  else revertRare(target, kind, key, old);
}

function revertRare(target: Anything, kind: number, key: Anything, old: Anything): void {
  switch (kind) {
    case Kind.arrayLength:
      // Mostly one was added; setting a length is slow.
      if (target.length === old + 1) target.pop();
      else target.length = old;
      return;
    case Kind.popped:
      target.push(old);
      return;
    case Kind.array:
      target.length = 0;
      for (const value of old) target.push(value);
      return;
    case Kind.typed:
      target.set(old, key);
      return;
    case Kind.page:
      target.set(old, key * PAGE);
      return;
    case Kind.word:
      (target as DataView).setInt32(key, old, true);
      return;
    case Kind.int32:
      (target as Int32Array)[key] = old;
      return;
    case Kind.uint32:
      (target as Uint32Array)[key] = old;
      return;
    case Kind.uint8:
      (target as Uint8Array)[key] = old;
      return;
    case Kind.mapSet:
    case Kind.weakMap:
      target.set(key, old);
      return;
    case Kind.mapAdded:
    case Kind.setAdded:
      target.delete(key);
      return;
    case Kind.map:
      target.clear();
      for (const [name, value] of old) target.set(name, value);
      return;
    case Kind.set:
      target.clear();
      for (const value of old) target.add(value);
      return;
    case Kind.variable:
      target(old);
      return;
    case Kind.removed:
      delete target[key];
      return;
    default:
  }
}
