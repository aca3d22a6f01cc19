// Random scripts of `umbra mm`, one for each seed.
//
// A seed has a theme, which weighs the operations; most of them hit a part of the window that was mapped lately, or its
// edges. Where nothing is mapped an operation fails, and the error counts as much as any other answer. At the end every
// process dumps its window.

import { Random } from '../../../src/sched/index.ts';

const PAGES = 64;
const FILE_PAGES = 16;
const CHILDREN = 4;

type Weights = Readonly<Record<string, number>>;

const ACCESSES = { r: 12, w: 18, fill: 6, ur: 3, uw: 3, mincore: 2 };
const CALLS = { mmap: 12, munmap: 4, mprotect: 7, mremap: 6, madvise: 9, lock: 3 };
const FAMILY = { fork: 2, exit: 0.7 };

const THEMES: readonly Weights[] = [
  { ...ACCESSES, ...CALLS },
  { ...ACCESSES, ...CALLS, fork: 6, exit: 2 },
  { ...ACCESSES, ...CALLS, ...FAMILY, pageout: 18, fill: 14 },
  { ...ACCESSES, ...CALLS, ...FAMILY, file: 18, msync: 5 },
  { ...CALLS, ...FAMILY, mmap: 22, munmap: 8, mprotect: 18, mremap: 10, lock: 6, r: 5, w: 8 },
  { ...ACCESSES, ...CALLS, ...FAMILY, pageout: 5, file: 6, msync: 2 },
];

const PROTECTIONS = ['rw-', 'rw-', 'rw-', 'rw-', 'rw-', 'r--', 'r--', 'rwx', '---'];
const PRIVATE_OBJECTS = ['anon', 'anon', 'anon', 'anon', 'shanon'];
const OBJECTS = ['anon', 'anon', 'shanon', 'pf0', 'pf1', 'sf0', 'sf0', 'sf1'];
const EXTRAS = ['', '', '', '', '', '', '', '', ' populate', ' populate', ' norsv', ' locked', ' noreplace'];
const ADVICES = [
  ...[
    'NORMAL',
    'RANDOM',
    'SEQUENTIAL',
    'WILLNEED',
    'DONTNEED',
    'DONTNEED',
    'DONTNEED',
    'FREE',
    'FREE',
    'REMOVE',
  ],
  ...['DONTFORK', 'DOFORK', 'WIPEONFORK', 'KEEPONFORK', 'COLD', 'PAGEOUT', 'POPULATE_READ', 'POPULATE_WRITE'],
  'DONTNEED_LOCKED',
];

class ScriptWriter {
  readonly #random: Random;
  readonly #weights: Weights;
  /** What was mapped: first page and pages. */
  readonly #mapped: (readonly [number, number])[] = [];
  readonly #children: string[] = [];
  #forked = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#weights = THEMES[seed % THEMES.length]!;
  }

  write(operations: number): string {
    const lines: string[] = [];
    for (let i = 0; i < operations; i++) lines.push(this.#line());
    lines.push(...this.#children.map((child) => `@${child} dump`), 'dump');
    return `${lines.join('\n')}\n`;
  }

  #line(): string {
    const operation = this.#choose(this.#weights);
    if (operation === 'fork' && this.#forked < CHILDREN) {
      const child = `c${++this.#forked}`;
      this.#children.push(child);
      return `fork ${child}`;
    }
    if (operation === 'exit' && this.#children.length > 0) {
      const [child] = this.#children.splice(this.#random.below(this.#children.length), 1);
      return `exit ${child}`;
    }
    const inChild = this.#children.length > 0 && this.#random.below(3) === 0;
    return (inChild ? `@${this.#of(this.#children)} ` : '') + this.#operation(operation);
  }

  #operation(operation: string): string {
    const [page] = this.#range();
    switch (operation) {
      case 'mmap':
        return this.#mmap();
      case 'mprotect':
        return `mprotect ${this.#pages()} ${this.#of(PROTECTIONS)}`;
      case 'mremap':
        return this.#mremap();
      case 'madvise':
        return `madvise ${this.#pages()} ${this.#of(ADVICES)}`;
      case 'pageout':
        return `madvise ${this.#pages()} PAGEOUT`;
      case 'lock':
        return `${this.#of(['mlock', 'mlock2', 'munlock', 'munlock'])} ${this.#pages()}`;
      case 'msync':
        return `msync ${this.#pages()} ${this.#of(['sync', 'async', 'inval'])}`;
      case 'r':
      case 'ur':
        return `${operation} ${page} ${this.#offset()}`;
      case 'w':
      case 'uw':
        return `${operation} ${page} ${this.#offset()} ${this.#random.below(256)}`;
      case 'fill':
        return `fill ${this.#pages(6)} ${this.#random.below(256)}`;
      case 'file':
        return this.#file();
      // A fork too many and an exit of nobody as well.
      default:
        return `${operation === 'munmap' ? 'munmap' : 'mincore'} ${this.#pages()}`;
    }
  }

  #mmap(): string {
    const range = this.#range();
    const object = this.#of('file' in this.#weights ? OBJECTS : PRIVATE_OBJECTS);
    const offset = object.includes('anon') ? 0 : this.#random.below(FILE_PAGES + 2);
    this.#mapped.push(range);
    return `mmap ${range.join(' ')} ${this.#of(PROTECTIONS)} ${object} ${offset}${this.#of(EXTRAS)}`;
  }

  #mremap(): string {
    const [page, pages] = this.#range(8);
    const wanted = this.#of([pages, pages, pages + 1, Math.max(1, pages - 1), 1 + this.#random.below(9)]);
    if (this.#random.below(2) === 0) return `mremap ${page} ${pages} ${Math.min(wanted, PAGES - page)}`;
    const [to] = this.#random.below(2) === 0 ? this.#range() : [this.#random.below(PAGES)];
    const stays = this.#random.below(5) === 0;
    const room = PAGES - to;
    const [from, moved] = stays
      ? [Math.min(pages, room), Math.min(pages, room)]
      : [pages, Math.min(wanted, room)];
    this.#mapped.push([to, moved]);
    return `mremap ${page} ${from} ${moved} to ${to}${stays ? ' dontunmap' : ''}`;
  }

  #file(): string {
    const file = this.#random.below(2);
    const page = this.#random.below(FILE_PAGES + 2);
    switch (this.#random.below(4)) {
      case 0:
        return `fw ${file} ${page} ${this.#offset()} ${this.#random.below(256)}`;
      case 1:
        return `fr ${file} ${page} ${this.#offset()}`;
      case 2:
        return `ftrunc ${file} ${this.#random.below(2 * FILE_PAGES + 5)}`;
      default:
        return `fpunch ${file} ${this.#random.below(FILE_PAGES)} ${1 + this.#random.below(4)}`;
    }
  }

  /** A range within the window, most often of what was mapped lately. */
  #range(max = 16): readonly [number, number] {
    const lately = this.#mapped.slice(-8);
    const isNew = lately.length === 0 || this.#random.below(4) === 0;
    const [first, pages] = isNew ? [this.#random.below(24), 4] : this.#of(lately);
    const page = isNew ? first : Math.min(PAGES - 1, Math.max(0, first - 1 + this.#random.below(pages + 1)));
    const length = this.#of([1, 1, 1, 2, 2, 3, pages, 1 + this.#random.below(max)]);
    return [page, Math.min(length, PAGES - page)];
  }

  #pages(max?: number): string {
    return this.#range(max).join(' ');
  }

  #offset(): number {
    return this.#of([0x10, 0xc10]);
  }

  #of<T>(values: readonly T[]): T {
    return values[this.#random.below(values.length)]!;
  }

  #choose(weights: Weights): string {
    const entries = Object.entries(weights);
    const total = entries.reduce((sum, [, weight]) => sum + weight, 0);
    let left = (this.#random.next() / 2 ** 32) * total;
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    return entries[0]![0];
  }
}

/** The script of a seed: so many operations, and the dumps. */
export const randomScript = (seed: number, operations: number): string =>
  new ScriptWriter(seed).write(operations);
