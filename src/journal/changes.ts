// What changed, for people: entries of the log as old and new values.

import {
  type Anything,
  entryKinds,
  FIRST_PROPERTY,
  Kind,
  keys,
  olds,
  propertyNames,
  targets,
  undo,
} from './log.ts';
import { bytesOf } from './memory.ts';

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
    } else if (kind === Kind.element || (kind >= Kind.int32 && kind <= Kind.uint8)) {
      const key = keys[entry];
      changes.push({ target, key, what: 'element', old, now: target[key] });
    } else if (kind === Kind.word) {
      const key = keys[entry];
      changes.push({
        target: bytesOf(target),
        key,
        what: 'byte',
        old: old >>> 0,
        now: target.getUint32(key, true),
      });
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
