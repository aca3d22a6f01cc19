// The happens-before order of the steps of one run, by vector clocks: which steps could have come the other way round.
//
// A step comes after the steps of its own task, after the step that woke or spawned the task, and after each earlier
// step that it does not commute with (dependency.ts). Who was woken by an event between steps comes after everything:
// events come when nobody can run. Hardware's actions are steps of actors that nobody wakes.
//
// Invariants: `steps` is the run so far in the order in which it happened; cut() takes the newest away, so that a run that
// begins like the last one need not be ordered again.

import { type Access, isHardware, isSeenByHardware, YIELD } from './dependency.ts';
import { keyOf } from './objects.ts';
import { type Clock, join } from './vectorClock.ts';

export interface OrderedStep {
  /** Id of the task, or of the actor of hardware. */
  readonly actor: number;
  readonly accesses: readonly Access[];
  /** By place of an actor: how many of the run's steps, counted to and with its last one, come before or are the step. */
  readonly clock: Clock;
}

/** A step and an earlier one that could have come after it: nothing between them has to come between them. */
export interface Race {
  readonly earlier: number;
  readonly later: number;
}

export class StepOrder {
  readonly steps: OrderedStep[] = [];
  /** Place of each actor in clocks. */
  readonly #places = new Map<number, number>();
  /** Numbers of steps, oldest first: by actor, by object, of hardware, of what hardware looks at, and of yields. */
  readonly #ofActor = new Map<number, number[]>();
  readonly #ofObject = new Map<number, number[]>();
  readonly #hardware: number[] = [];
  readonly #seen: number[] = [];
  readonly #yields: number[] = [];

  /** Forgets all steps from number `length` on. */
  cut(length: number): void {
    for (let step = this.steps.length - 1; step >= length; step--) {
      for (const list of this.#listsOf(this.steps[step]!)) if (list.at(-1) === step) list.pop();
    }
    this.steps.length = Math.min(this.steps.length, length);
  }

  /**
   * The next step of the run; answers its races. `wakers`: the numbers of the steps that it was waiting for.
   */
  add(actor: number, accesses: readonly Access[], wakers: readonly number[]): Race[] {
    const { steps } = this;
    const later = steps.length;
    const clock: Clock = [];
    const own = listOf(this.#ofActor, actor).at(-1);
    if (own !== undefined) join(clock, steps[own]!.clock);
    for (const waker of wakers) join(clock, steps[waker]!.clock);
    const races: Race[] = [];
    // Newest first: what comes before a step that is joined is no race of its own.
    for (const earlier of this.#conflicting(accesses)) {
      if (this.#covers(clock, earlier)) continue;
      races.push({ earlier, later });
      join(clock, steps[earlier]!.clock);
    }
    clock[this.#placeOf(actor)] = later + 1;
    const step: OrderedStep = { actor, accesses, clock };
    steps.push(step);
    for (const list of this.#listsOf(step)) if (list.at(-1) !== later) list.push(later);
    return races;
  }

  /**
   * The actors that can be first when the race is run the other way round: of the steps that need not come after the
   * earlier one, those with no other of these before them. In order.
   */
  initials({ earlier, later }: Race): number[] {
    const moved: number[] = [];
    const initials: number[] = [];
    const met = new Set<number>();
    for (let step = earlier + 1; step <= later; step++) {
      const { actor, clock } = this.steps[step]!;
      if (step !== later && this.#covers(clock, earlier)) continue;
      if (!met.has(actor) && !moved.some((before) => this.#covers(clock, before))) initials.push(actor);
      met.add(actor);
      moved.push(step);
    }
    return initials;
  }

  /** Whether step number `step` comes before (or is) the one whose clock it is. */
  #covers(clock: Clock, step: number): boolean {
    return (clock[this.#placeOf(this.steps[step]!.actor)] ?? 0) > step;
  }

  /** The last steps that do not commute with one of `accesses`, newest first: those before them come before them, too. */
  #conflicting(accesses: readonly Access[]): number[] {
    const found = new Set<number>();
    const last = (list: readonly number[]): void => {
      if (list.length > 0) found.add(list.at(-1)!);
    };
    last(this.#yields);
    if (accesses.includes(YIELD)) for (const list of this.#ofActor.values()) last(list);
    for (const { kind, object } of accesses) {
      if (isHardware(kind)) {
        const since = this.#hardware.at(-1) ?? -1;
        for (let i = this.#seen.length - 1; i >= 0 && this.#seen[i]! > since; i--) found.add(this.#seen[i]!);
        last(this.#hardware);
        continue;
      }
      if (kind !== 'cpu') last(listOf(this.#ofObject, keyOf(kind, object)));
      if (isSeenByHardware(kind)) last(this.#hardware);
    }
    return [...found].sort((a, b) => b - a);
  }

  /** The lists that a step is in; some of them more than once. */
  #listsOf({ actor, accesses }: OrderedStep): number[][] {
    const lists = [listOf(this.#ofActor, actor)];
    for (const { kind, object } of accesses) {
      if (kind === 'cpu') lists.push(this.#yields);
      else if (isHardware(kind)) lists.push(this.#hardware);
      else lists.push(listOf(this.#ofObject, keyOf(kind, object)));
      if (isSeenByHardware(kind)) lists.push(this.#seen);
    }
    return lists;
  }

  #placeOf(actor: number): number {
    let place = this.#places.get(actor);
    if (place === undefined) {
      place = this.#places.size;
      this.#places.set(actor, place);
    }
    return place;
  }
}

function listOf(lists: Map<number, number[]>, key: number): number[] {
  let list = lists.get(key);
  if (list === undefined) {
    list = [];
    lists.set(key, list);
  }
  return list;
}
