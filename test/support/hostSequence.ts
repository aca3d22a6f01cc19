// What one task of a host does to an address space, step by step, in the words of the reference table: start and end
// of each notifier range with the locks held, changes of page table entries, CPU and secondary flushes, pages that
// are freed.
//
// Pages count from the start of the watched memory. Tracepoints tell of ranges and flushes, the rest is seen by standing
// between the kernel and the memory and the zone.

import { isTable, PTE_A, PTE_D, PTE_R, PTE_W, pteIndex, ptePfn } from '../../src/hw/sv39/index.ts';
import type { Host, Mm } from '../../src/mm/index.ts';
import { FrameKind, inspectPtep } from '../../src/mm/internals.ts';
import { isMigrationPte } from '../../src/mm/pagetable/migrationEntry.ts';
import { isPresentPte, isSwapPte } from '../../src/mm/pagetable/pte.ts';
import type { RwLock } from '../../src/sched/index.ts';
import type { Trace } from '../../src/trace/index.ts';
import { NOTIFIER_EVENTS } from '../../src/trace/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';

export class HostSequence {
  readonly events: string[] = [];
  readonly #mm: Mm;
  readonly #host: Host;
  readonly #base: Hva;
  readonly #pages: number;
  readonly #span: number;
  readonly #task: string;

  /**
   * From now on, records what the task called `task` does; `pages` pages from `base` are watched, and the entries of
   * huge pages there. Ranges are told by page up to `span`.
   */
  constructor(mm: Mm, trace: Trace, base: Hva, pages: number, task: string, span = pages) {
    this.#mm = mm;
    this.#host = mm.host;
    this.#base = base;
    this.#pages = pages;
    this.#span = span;
    this.#task = task;
    trace.subscribe('invalidate_range_start', ({ fields }) => this.#range('start', fields));
    trace.subscribe('invalidate_range_end', ({ fields }) => this.#range('end', fields));
    trace.subscribe('clear_flush_young', ({ fields }) =>
      this.#add(`young? ${this.#page(fields.start!)}: ${this.#locks()}`),
    );
    trace.subscribe('clear_young', ({ fields }) =>
      this.#add(`young? ${this.#page(fields.start!)}, no flush: ${this.#locks()}`),
    );
    trace.subscribe('release', () => this.#add('release'));
    trace.subscribe('invalidate_secondary_tlbs', () => this.#add('secondary flush'));
    trace.subscribe('tlb_flush', ({ fields }) => this.#add(flushText(fields.pages!)));
    this.#watchMemory();
    this.#watchZone();
  }

  #isWatched(): boolean {
    return this.#host.sched.currentId !== 0 && this.#host.sched.current.name === this.#task;
  }

  #add(text: string): void {
    if (this.#isWatched()) this.events.push(text);
  }

  #page(address: number): string {
    const page = (address - this.#base) / PAGE_SIZE;
    return page < 0 || page > this.#span ? 'far' : `${page}`;
  }

  #range(call: 'start' | 'end', fields: Readonly<Record<string, number>>): void {
    const event = NOTIFIER_EVENTS[fields.notify!]!.replace('MMU_NOTIFY_', '');
    const where = `[${this.#page(fields.start!)}, ${this.#page(fields.end!)})`;
    const non = fields.blockable === 0 ? ' nonblock' : '';
    this.#add(`${call} ${event} ${where}${non}: ${this.#locks()}`);
  }

  #locks(): string {
    const { held } = this.#host.sched.current;
    const names = held.map((lock) => {
      const mode = 'isWriteLocked' in lock ? ((lock as RwLock).isWriteLocked ? ' write' : ' read') : '';
      return `${lock.lockClass.name}${mode}`;
    });
    return [...new Set(names)].join(', ') || 'no lock';
  }

  #watchMemory(): void {
    const { memory } = this.#host;
    const write64 = memory.write64.bind(memory);
    memory.write64 = (address, lo, hi) => {
      const before = memory.i32[address >>> 2]!;
      write64(address, lo, hi);
      if (!this.#isWatched() || before === lo) return;
      for (let page = 0; page < this.#pages; page++) {
        if (inspectPtep(this.#mm, (this.#base + page * PAGE_SIZE) as Hva) === address)
          this.#add(`pte ${page}: ${pteText(before)} -> ${pteText(lo)}`);
      }
      for (let page = 0; page < this.#span; page += HUGE_PAGES) {
        if (pmdpOf(this.#mm, (this.#base + page * PAGE_SIZE) as Hva) === address)
          this.#add(`pmd ${page}: ${pmdText(before)} -> ${pmdText(lo)}`);
      }
    };
  }

  #watchZone(): void {
    const { zone } = this.#host;
    const give = zone.give.bind(zone);
    zone.give = (pfn, order) => {
      // Tables of host and hypervisor come and go as well.
      if (this.#host.frames.kind[pfn] === FrameKind.folio) this.#add('free');
      return give(pfn, order);
    };
  }
}

const HUGE_PAGES = 512;

/** Where the entry of the 2 MiB around `address` lies, or 0. */
function pmdpOf({ pgd, host }: Mm, address: Hva): number {
  const root = host.memory.i32[(pgd * PAGE_SIZE + pteIndex(address, 2) * 8) >>> 2]!;
  return isTable(root) ? ptePfn(root) * PAGE_SIZE + pteIndex(address, 1) * 8 : 0;
}

function pmdText(pmd: number): string {
  if (pmd === 0 || isTable(pmd)) return pmd === 0 ? 'none' : 'table';
  return isPresentPte(pmd) ? `huge ${pteText(pmd)}` : 'invalid';
}

const flushText = (pages: number): string => (pages < 0 ? 'cpu flush all' : `cpu flush ${pages}`);

function pteText(pte: number): string {
  if (pte === 0) return 'none';
  if (isSwapPte(pte)) return 'swap';
  if (isMigrationPte(pte)) return 'migration';
  if (!isPresentPte(pte)) return '?';
  const letters = [
    [PTE_R, 'r'],
    [PTE_W, 'w'],
    [PTE_A, 'a'],
    [PTE_D, 'd'],
  ] as const;
  return letters.flatMap(([bit, letter]) => ((pte & bit) !== 0 ? [letter] : [])).join('') || 'protnone';
}
