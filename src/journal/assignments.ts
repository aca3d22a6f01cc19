// What rewritten code calls where it assigns: to a property, an element, a variable.
//
// The setter of a property, which records and writes, stands at the head of the file that uses it (loader/writes.ts).

import { type Anything, Kind, record, undo } from './log.ts';

/** `target` is about to get a property that it does not have. */
export function recordAdded(target: Anything, name: string): void {
  record(target, Kind.removed, name, undefined);
}

/** target[key] = value */
export function setElement(target: Anything, key: Anything, value: Anything): Anything {
  if (target instanceof Int32Array) setInt32(target, key, value);
  else if (target instanceof Uint32Array) setUint32(target, key, value);
  else if (target instanceof Uint8Array) setUint8(target, key, value);
  else {
    if (undo.on) recordElement(target, key);
    target[key] = value;
  }
  return value;
}

function setInt32(target: Int32Array, key: number, value: number): void {
  if (undo.on) record(target, Kind.int32, key, target[key]);
  target[key] = value;
}

function setUint32(target: Uint32Array, key: number, value: number): void {
  if (undo.on) record(target, Kind.uint32, key, target[key]);
  target[key] = value;
}

function setUint8(target: Uint8Array, key: number, value: number): void {
  if (undo.on) record(target, Kind.uint8, key, target[key]);
  target[key] = value;
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
