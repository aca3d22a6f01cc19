// What rewritten code calls in place of the methods that change a collection, an array, a view or a buffer.
//
// Invariant: other receivers have their own methods of these names, and those are called.

import { type Anything, Kind, record, undo } from './log.ts';
import { bytesOf, recordTyped, sizeOf } from './memory.ts';

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
  setInt32(target, at, value, littleEndian) {
    if (undo.on && target instanceof DataView) record(target, Kind.word, at, target.getInt32(at, true));
    return target.setInt32(at, value, littleEndian);
  },
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
