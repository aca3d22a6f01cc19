// The lives of pages: everything that happened to a page of guest memory, in order.
//
// There is room for MAX_EVENTS. When they are more, half of the pages are given up, so that those that are left are whole;
// they lie scattered over all of memory. Of a few pages to which very much happens, the latest is kept.
//
// Invariants: which pages are kept depends on nothing but what happened; a page that was given up never comes back.

const MAX_EVENTS = 40_000;
/** So many pages are never given up. */
const MIN_PAGES = 16;
const MAX_EVENTS_OF_PAGE = MAX_EVENTS / MIN_PAGES;

/** What can happen to a page. The page of the report has a word for each. */
export const LIFE_EVENTS = [
  /** A translation was installed; argument: the frame. */
  'mapped',
  /** A fault had to be tried again, since an invalidation came between; argument: the sequence. */
  'retried',
  /** A notifier call; argument: the event. */
  'notified',
  /** The host's entry became one of swap; argument: the slot. */
  'unmapped',
  /** Written to swap, and read again; argument: the slot. */
  'written',
  'read',
  /** Asked whether it was accessed; argument: 1 if it was. */
  'aged',
  /** Its entry became one of migration; the page has moved. Argument: the frame. */
  'moving',
  'moved',
] as const;

export type LifeEvent = (typeof LIFE_EVENTS)[number];

export interface PageLife {
  readonly page: number;
  /** Time in ns, index of LIFE_EVENTS, argument; and so on. */
  readonly events: readonly number[];
  /** Earlier events that were not kept. */
  readonly dropped: number;
}

const WORDS = 3;

export class PageLives {
  readonly #lives = new Map<number, { events: number[]; dropped: number }>();
  #total = 0;
  /** Pages whose number, scattered over 32 bits, is below are kept. */
  #threshold = 2 ** 32;

  add(page: number, time: number, event: LifeEvent, argument: number): void {
    if (scatter(page) >= this.#threshold) return;
    let life = this.#lives.get(page);
    if (life === undefined) {
      life = { events: [], dropped: 0 };
      this.#lives.set(page, life);
    }
    life.events.push(time, LIFE_EVENTS.indexOf(event), argument);
    this.#total++;
    if (life.events.length > MAX_EVENTS_OF_PAGE * WORDS) this.#dropHalf(life);
    while (this.#total > MAX_EVENTS && this.#lives.size > MIN_PAGES) this.#giveUpHalf();
  }

  /** To each page from `first` to before `end`; where that is many, to those alone that have a life. */
  addRange(first: number, end: number, time: number, event: LifeEvent, argument: number): void {
    if (end - first <= 1) this.add(first, time, event, argument);
    else
      for (const page of [...this.#lives.keys()])
        if (page >= first && page < end) this.add(page, time, event, argument);
  }

  get record(): PageLife[] {
    return [...this.#lives]
      .map(([page, { events, dropped }]) => ({ page, events, dropped }))
      .toSorted((a, b) => a.page - b.page);
  }

  #dropHalf(life: { events: number[]; dropped: number }): void {
    const half = MAX_EVENTS_OF_PAGE / 2;
    life.events = life.events.slice(half * WORDS);
    life.dropped += half;
    this.#total -= half;
  }

  #giveUpHalf(): void {
    this.#threshold /= 2;
    for (const [page, { events }] of this.#lives) {
      if (scatter(page) < this.#threshold) continue;
      this.#total -= events.length / WORDS;
      this.#lives.delete(page);
    }
  }
}

/** Fibonacci hashing: neighbours end up far from each other. */
const scatter = (page: number): number => Math.imul(page, 0x9e3779b1) >>> 0;
