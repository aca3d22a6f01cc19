// The undo log: what a program changed since a mark, so that exploring can go back to the start of a run and go again.
//
// Production code does not know it. The loader (loader/writes.ts) rewrites each write to an object, element,
// collection or shared variable into a call of a function here or of one made by `property`, and bundles this file
// in; without the loader nothing imports it. DESIGN D8, D12.
//
// Invariants: while `undo.on`, every change of what existed at the mark is recorded before it happens; entries are
// undone newest first, so an old value is right even if what is recorded later happened earlier. Generators cannot be
// undone: at a mark none may be under way. A Map and a Set get their iteration order back.

// biome-ignore lint/suspicious/noExplicitAny: a journal holds values of every type
type Anything = any;

/** What an entry undoes; from FIRST_PROPERTY on, the property whose setter has that index. */
const Kind = {
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
} as const;
const FIRST_PROPERTY = 16;

type Setter = (target: Anything, value: Anything) => void;

const setters: Setter[] = [];
const propertyNames: string[] = [];
const kinds = new Map<string, number>();

const targets: Anything[] = [];
const entryKinds: number[] = [];
const keys: Anything[] = [];
const olds: Anything[] = [];

/** Read by the functions that the loader writes into each file. */
export const undo = { on: false, length: 0 };

/** Records that `target`'s `key` (as `kind` understands it) is about to change from `old`. */
export function record(target: Anything, kind: number, key: Anything, old: Anything): void {
  const at = undo.length++;
  targets[at] = target;
  entryKinds[at] = kind;
  keys[at] = key;
  olds[at] = old;
}

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
  run++;
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

// What rewritten code calls

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

/** `target` is about to get a property that it does not have. */
export function recordAdded(target: Anything, name: string): void {
  record(target, Kind.removed, name, undefined);
}

/** target[key] = value */
export function setElement(target: Anything, key: Anything, value: Anything): Anything {
  if (undo.on) recordElement(target, key);
  target[key] = value;
  return value;
}

function recordElement(target: Anything, key: Anything): void {
  if (ArrayBuffer.isView(target)) record(target, Kind.element, key, (target as Anything)[key]);
  else if (Array.isArray(target) && typeof key === 'number' && key >= target.length) {
    record(target, Kind.arrayLength, 0, target.length);
  } else if (!(key in target)) record(target, Kind.removed, key, undefined);
  else record(target, Kind.element, key, target[key]);
}

/** target[key] = change(target[key]), for targets that the rewritten code must evaluate once; answers the new value. */
export function change(target: Anything, key: Anything, by: (old: Anything) => Anything): Anything {
  return setElement(target, key, by(target[key]));
}

/** target[key] as the target of a destructuring assignment. */
export const placeOf = (target: Anything, key: Anything): { value: Anything } => ({
  set value(value: Anything) {
    setElement(target, key, value);
  },
});

/** delete target[key] */
export function remove(target: Anything, key: Anything): boolean {
  // Puts it back last: plain records are not iterated where order tells.
  if (undo.on && key in target) record(target, Kind.element, key, target[key]);
  return delete target[key];
}

/** A captured or module variable is about to get `value`; `put` assigns it. */
export function setVariable(old: Anything, put: (value: Anything) => void, value: Anything): Anything {
  if (undo.on) record(put, Kind.variable, 0, old);
  return value;
}

const recordArray = (target: Anything[]): void => record(target, Kind.array, 0, target.slice());

/** The methods that change a collection, by name: called with the receiver first. Other receivers have their own. */
export const mutators: Readonly<Record<string, (target: Anything, ...args: Anything[]) => Anything>> = {
  push(target, ...items) {
    if (undo.on && Array.isArray(target)) record(target, Kind.arrayLength, 0, target.length);
    return target.push(...items);
  },
  pop(target) {
    if (undo.on && Array.isArray(target) && target.length > 0) record(target, Kind.popped, 0, target.at(-1));
    return target.pop();
  },
  shift: (target) => onArray(target).shift(),
  unshift: (target, ...items) => onArray(target).unshift(...items),
  splice: (target, ...args) => onArray(target).splice(...args),
  sort: (target, ...args) => onAnyArray(target).sort(...args),
  reverse: (target) => onAnyArray(target).reverse(),
  fill(target, value, ...range) {
    if (undo.on && ArrayBuffer.isView(target)) recordTyped(target, range[0] ?? 0, range[1]);
    else onArray(target);
    return target.fill(value, ...range);
  },
  copyWithin(target, to, from, ...end) {
    if (undo.on && ArrayBuffer.isView(target))
      recordTyped(target, to, to + (end[0] ?? sizeOf(target)) - from);
    else onArray(target);
    return target.copyWithin(to, from, ...end);
  },
  set(target, ...args) {
    if (undo.on) recordSet(target, args);
    return target.set(...args);
  },
  add(target, ...args) {
    if (undo.on && target instanceof Set && !target.has(args[0])) record(target, Kind.setAdded, args[0], 0);
    return target.add(...args);
  },
  delete(target, ...args) {
    if (undo.on) recordDelete(target, args[0]);
    return target.delete(...args);
  },
  clear(target, ...args) {
    if (undo.on) recordAll(target);
    return target.clear(...args);
  },
  setInt8: (target, at, ...rest) => onView(target, at, 1).setInt8(at, ...rest),
  setUint8: (target, at, ...rest) => onView(target, at, 1).setUint8(at, ...rest),
  setInt16: (target, at, ...rest) => onView(target, at, 2).setInt16(at, ...rest),
  setUint16: (target, at, ...rest) => onView(target, at, 2).setUint16(at, ...rest),
  setInt32: (target, at, ...rest) => onView(target, at, 4).setInt32(at, ...rest),
  setUint32: (target, at, ...rest) => onView(target, at, 4).setUint32(at, ...rest),
  setFloat32: (target, at, ...rest) => onView(target, at, 4).setFloat32(at, ...rest),
  setFloat64: (target, at, ...rest) => onView(target, at, 8).setFloat64(at, ...rest),
  setBigInt64: (target, at, ...rest) => onView(target, at, 8).setBigInt64(at, ...rest),
  setBigUint64: (target, at, ...rest) => onView(target, at, 8).setBigUint64(at, ...rest),
};

function onArray(target: Anything): Anything {
  if (undo.on && Array.isArray(target)) recordArray(target);
  return target;
}

function onAnyArray(target: Anything): Anything {
  if (undo.on && ArrayBuffer.isView(target)) recordTyped(target, 0);
  return onArray(target);
}

/** A DataView: its bytes are kept as those of a byte array over the same buffer. */
function onView(target: Anything, at: number, bytes: number): Anything {
  if (undo.on && target instanceof DataView) {
    const view = bytesOf(target);
    record(view, Kind.typed, at, view.slice(at, at + bytes));
  }
  return target;
}

const byteViews = new WeakMap<DataView, Uint8Array>();

function bytesOf(view: DataView): Uint8Array {
  let bytes = byteViews.get(view);
  if (bytes === undefined) {
    bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    byteViews.set(view, bytes);
  }
  return bytes;
}

const sizeOf = (target: ArrayBufferView): number => (target as Uint8Array).length;

function recordTyped(target: ArrayBufferView, from: number, to = sizeOf(target)): void {
  if ((to - from) * MOST_BYTES_OF_ELEMENT >= PAGE && recordPages(target as Uint8Array, from, to)) return;
  record(target, Kind.typed, from, (target as Uint8Array).slice(from, to));
}

// Whole pages

/** Of memory that is copied or cleared by the page. */
const PAGE = 4096;
const MOST_BYTES_OF_ELEMENT = 8;

/** A buffer of which whole pages were written at once. */
interface Pages {
  readonly bytes: Uint8Array;
  /** By page: the run in which it was copied last, and the copy; the copies are reused. */
  readonly copiedIn: Int32Array;
  readonly copies: Uint8Array[];
}

const pagesOfBuffers = new WeakMap<ArrayBufferLike, Pages>();
/** Marks and rewinds so far. */
let run = 0;

function pagesOf(buffer: ArrayBufferLike): Pages {
  let pages = pagesOfBuffers.get(buffer);
  if (pages === undefined) {
    const bytes = new Uint8Array(buffer);
    pages = { bytes, copiedIn: new Int32Array(Math.ceil(bytes.length / PAGE)), copies: [] };
    pagesOfBuffers.set(buffer, pages);
  }
  return pages;
}

/** Elements `from` to `to` - 1 are about to change. False: there is no whole page among them, and nothing is recorded. */
function recordPages(target: Uint8Array, from: number, to: number): boolean {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: width } = target;
  const start = byteOffset + from * width;
  const end = byteOffset + Math.min(to * width, byteLength);
  const first = Math.ceil(start / PAGE);
  const last = Math.floor(end / PAGE);
  if (first >= last) return false;
  const pages = pagesOf(buffer);
  recordBytes(pages.bytes, start, first * PAGE);
  for (let page = first; page < last; page++) recordPage(pages, page);
  recordBytes(pages.bytes, last * PAGE, end);
  return true;
}

function recordBytes(bytes: Uint8Array, from: number, to: number): void {
  if (from < to) record(bytes, Kind.typed, from, bytes.slice(from, to));
}

function recordPage({ bytes, copiedIn, copies }: Pages, page: number): void {
  if (copiedIn[page] === run) {
    // All of it goes back to what it was when it was copied, whatever was written since.
    record(bytes, Kind.kept, page, null);
    return;
  }
  copiedIn[page] = run;
  copies[page] ??= new Uint8Array(PAGE);
  copies[page].set(bytes.subarray(page * PAGE, (page + 1) * PAGE));
  record(bytes, Kind.page, page, copies[page]);
}

function recordSet(target: Anything, [key, offset]: readonly Anything[]): void {
  if (target instanceof Map) {
    if (target.has(key)) record(target, Kind.mapSet, key, target.get(key));
    else record(target, Kind.mapAdded, key, 0);
  } else if (target instanceof WeakMap) {
    if (target.has(key)) record(target, Kind.weakMap, key, target.get(key));
    else record(target, Kind.mapAdded, key, 0);
  } else if (ArrayBuffer.isView(target)) {
    const start = offset ?? 0;
    recordTyped(target, start, start + key.length);
  }
}

function recordDelete(target: Anything, key: Anything): void {
  if (target instanceof WeakMap) {
    if (target.has(key)) record(target, Kind.weakMap, key, target.get(key));
  } else if ((target instanceof Map || target instanceof Set) && target.has(key)) recordAll(target);
}

function recordAll(target: Anything): void {
  if (target instanceof Map) record(target, Kind.map, 0, [...target]);
  else if (target instanceof Set) record(target, Kind.set, 0, [...target]);
}

// Where tasks stand

/** A `yield` in the sources. */
export interface Site {
  readonly file: string;
  readonly line: number;
  readonly name: string;
}

const sites: Site[] = [{ file: '', line: 0, name: '' }];

/** The site of the last `yield` that any task reached. */
export const reached = { site: 0 };

export const siteOf = (number: number): Site => sites[number]!;

/** The number of the first of a file's sites; lines and function names. */
export function addSites(file: string, list: readonly (readonly [number, string])[]): number {
  const first = sites.length;
  for (const [line, name] of list) sites.push({ file, line, name });
  return first;
}

/** Notes the site, and hands on what is yielded. */
export function at<T>(site: number, yielded: T): T {
  reached.site = site;
  return yielded;
}

interface Point {
  readonly kind: string;
  readonly object: number;
}

/** Whether a task must stop at the point that it has come to; all do until exploration says otherwise. */
export const filter: { stops: (point: Anything) => boolean } = { stops: () => true };

let announcedPoint: Point | null = null;

/** A task has come to `point` at `site`; true: it must yield announced(). */
export function stops(site: number, point: Point): boolean {
  reached.site = site;
  announcedPoint = point;
  return filter.stops(point);
}

export const announced = (): Point | null => announcedPoint;

// What changed

/** An entry of the log, for people: what changed, from what to what. */
export interface Change {
  readonly target: Anything;
  /** The property's name, the element's index, or the byte of a view. */
  readonly key: Anything;
  readonly what: 'property' | 'element' | 'byte';
  readonly old: Anything;
  readonly now: Anything;
}

/** The single values that were changed since the log had `from` entries, oldest first. */
export function changesSince(from: number): Change[] {
  const changes: Change[] = [];
  for (let entry = from; entry < undo.length; entry++) {
    const kind = entryKinds[entry]!;
    const target = targets[entry];
    const old = olds[entry];
    if (kind >= FIRST_PROPERTY) {
      const key = propertyNames[kind - FIRST_PROPERTY]!;
      changes.push({ target, key, what: 'property', old, now: target[key] });
    } else if (kind === Kind.element) {
      const key = keys[entry];
      changes.push({ target, key, what: 'element', old, now: target[key] });
    } else if (kind === Kind.typed && target instanceof Uint8Array && old.length === WORD) {
      const key = keys[entry];
      const now = target.slice(key, key + WORD);
      changes.push({ target, key, what: 'byte', old: wordOf(old), now: wordOf(now) });
    }
  }
  return changes;
}

const WORD = 4;
const wordOf = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(0, true);
