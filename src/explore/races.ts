// Data races: unmarked accesses of two tasks to one object, of which neither comes after the other (sched/accesses.ts).
//
// What orders tasks is followed by vector clocks as FastTrack does (Flanagan, Freund 2009): a task comes after who released
// a lock that it acquires, after who woke or spawned it, after the readers that a grace period waited for, and after the
// interrupt that it was asked to acknowledge; an event between steps comes after who asked for it. The accesses to an object are kept as epochs, the last of each
// task in each mode, and one of an epoch that is known already costs a look.
//
// A race is seen where it does no harm, unless locks that have nothing to do with it happened to order the two. Hardware's
// accesses are not looked at: Linux does not mark them, nor could it. Invariant: a run's first race is kept.

import { reached, type Site, siteOf } from '../journal/index.ts';
import {
  ACCESS_MODES,
  type AccessMode,
  type AccessObserver,
  canRace,
  type HeldLock,
  type PointKind,
  type Task,
} from '../sched/index.ts';
import { keyOf } from './objects.ts';
import { type Clock, join } from './vectorClock.ts';

/** One of the two. */
export interface RacingAccess {
  readonly task: string;
  readonly mode: AccessMode;
  readonly site: Site;
  /** The locks that the task held. */
  readonly held: readonly string[];
}

export interface DataRace {
  readonly kind: PointKind;
  readonly object: number;
  readonly earlier: RacingAccess;
  readonly later: RacingAccess;
}

/** A task's last access of a mode. */
interface Last {
  epoch: number;
  task: Task;
  site: number;
  held: readonly HeldLock[];
}

/** What a lock, wait queue or grace period hands on: of who had it alone, and of its readers. */
interface Released {
  readonly alone: Clock;
  readonly shared: Clock;
}

/** By number of a mode: the numbers of those that it can race with. */
const RIVALS = ACCESS_MODES.map((mode) =>
  [...ACCESS_MODES.keys()].filter((other) => canRace(mode, ACCESS_MODES[other]!)),
);
const MODE_NUMBER = Object.fromEntries(ACCESS_MODES.map((mode, number) => [mode, number])) as Record<
  AccessMode,
  number
>;

export class Races implements AccessObserver {
  /** The run's first. */
  found: DataRace | null = null;
  readonly #places = new Map<Task, number>();
  /** By place of a task: up to which of its epochs each comes after the others. */
  readonly #clocks: Clock[] = [];
  /** By object: by mode and place. */
  readonly #accesses = new Map<number, (Last | undefined)[][]>();
  readonly #released = new Map<number, Released>();
  /** By place: where the task stopped last. */
  readonly #sites: number[] = [];
  /** What events come after, by number: who asked for them. */
  readonly #events = new Map<number, Clock>();
  /** Of the event that is being delivered. */
  #event: Clock | null = null;
  #task: Task | null = null;
  #place = 0;

  /** A run begins. */
  begin(): void {
    this.found = null;
    this.#places.clear();
    this.#clocks.length = 0;
    this.#accesses.clear();
    this.#released.clear();
    this.#sites.length = 0;
    this.#events.clear();
    this.#event = null;
    this.#task = null;
  }

  /** `task` is about to take a step. */
  step(task: Task): void {
    this.#event = null;
    if (task === this.#task) return;
    if (this.#task !== null) this.#sites[this.#place] = reached.site;
    this.#task = task;
    this.#place = this.#placeOf(task);
    reached.site = this.#sites[this.#place] ?? 0;
  }

  woken(task: Task, by: Task | null): void {
    const clock = this.#clocks[this.#placeOf(task)]!;
    if (by === null) {
      if (this.#event !== null) join(clock, this.#event);
      return;
    }
    join(clock, this.#clocks[this.#placeOf(by)]!);
    this.#advance(this.#placeOf(by));
  }

  /** The running task, or the event that is being delivered, has asked for an event. */
  scheduled(event: number): void {
    if (this.#event !== null) this.#events.set(event, this.#event);
    else if (this.#task !== null) {
      this.#events.set(event, this.#clocks[this.#place]!.slice());
      this.#advance(this.#place);
    }
  }

  /** The event comes now; it comes after who asked for it. */
  delivering(event: number): void {
    this.#event = this.#events.get(event) ?? [];
  }

  acquire(kind: PointKind, object: number, shared: boolean): void {
    const released = this.#released.get(keyOf(kind, object));
    if (released === undefined) return;
    const clock = this.#clocks[this.#place]!;
    join(clock, released.alone);
    if (!shared) join(clock, released.shared);
  }

  release(kind: PointKind, object: number, shared: boolean): void {
    const key = keyOf(kind, object);
    let released = this.#released.get(key);
    if (released === undefined) {
      released = { alone: [], shared: [] };
      this.#released.set(key, released);
    }
    join(shared ? released.shared : released.alone, this.#clocks[this.#place]!);
    this.#advance(this.#place);
  }

  access(kind: PointKind, object: number, mode: AccessMode): void {
    const key = keyOf(kind, object);
    let lasts = this.#accesses.get(key);
    if (lasts === undefined) {
      lasts = ACCESS_MODES.map(() => []);
      this.#accesses.set(key, lasts);
    }
    const number = MODE_NUMBER[mode];
    const place = this.#place;
    const clock = this.#clocks[place]!;
    const epoch = clock[place]!;
    const own = lasts[number]![place];
    if (own !== undefined && own.epoch === epoch) return;
    const task = this.#task!;
    const last: Last = { epoch, task, site: reached.site, held: task.held.slice() };
    lasts[number]![place] = last;
    if (this.found !== null) return;
    for (const rival of RIVALS[number]!) {
      const others = lasts[rival]!;
      for (let other = 0; other < others.length; other++) {
        const earlier = others[other];
        if (earlier === undefined || other === place || earlier.epoch <= (clock[other] ?? 0)) continue;
        this.found = {
          kind,
          object,
          earlier: racing(earlier, ACCESS_MODES[rival]!),
          later: racing(last, mode),
        };
        return;
      }
    }
  }

  /** What the task does from now on is not what it handed on. */
  #advance(place: number): void {
    this.#clocks[place]![place]!++;
  }

  #placeOf(task: Task): number {
    let place = this.#places.get(task);
    if (place === undefined) {
      place = this.#places.size;
      this.#places.set(task, place);
      const clock: Clock = [];
      for (let other = 0; other < place; other++) clock.push(0);
      clock.push(1);
      this.#clocks[place] = clock;
    }
    return place;
  }
}

const racing = ({ task, site, held }: Last, mode: AccessMode): RacingAccess => ({
  task: task.name,
  mode,
  site: siteOf(site),
  held: held.map(({ lockClass }) => lockClass.name),
});

const WORDS: Readonly<Record<AccessMode, string>> = {
  read: 'reads',
  marked: 'accesses (marked)',
  update: 'changes',
  write: 'writes',
};

function accessText({ task, mode, site, held }: RacingAccess): string {
  const locks = held.length === 0 ? 'no lock' : held.join(', ');
  return `${task} ${WORDS[mode]} it at ${site.file}:${site.line} ${site.name} (held: ${locks})`;
}

/** "data race on list mm.vmas: a writes it at mm/x.ts:12 f (held: ...), b reads it at ..." */
export const raceText = ({ kind, earlier, later }: DataRace, object: string): string =>
  `data race on ${kind} ${object}: ${accessText(earlier)}, ${accessText(later)}, and nothing orders the two`;
