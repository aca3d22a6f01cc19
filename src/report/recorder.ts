// The recorder of a report: listens to a machine's tracepoints while it runs, and looks at its memory at the end of each
// column of time.
//
// Everything is a function of the run, which it leaves as it is: columns end at the first exit that is due, so equal runs
// give equal records. Memory is bounded, however long the run (columns.ts, heatMap.ts, pageLives.ts).

import { ptePfn } from '../hw/sv39/index.ts';
import type { Machine } from '../machine.ts';
import { forEachPte, isSwapPte } from '../mm/internals.ts';
import { type EventName, exitCause, NOTIFIER_EVENTS, type TraceRecord } from '../trace/index.ts';
import { PAGE_SIZE } from '../units.ts';
import { Layout } from '../vmm/index.ts';
import { Counts, Levels, type Merge, TimeAxis } from './columns.ts';
import { HeatMap, type HeatMapRecord } from './heatMap.ts';
import { type LifeEvent, type PageLife, PageLives } from './pageLives.ts';

export interface RunRecord {
  /** Of columns, in ns of virtual time. */
  readonly edges: readonly number[];
  /** By name, a number for each column. */
  readonly work: Readonly<Record<string, readonly number[]>>;
  readonly exits: Readonly<Record<string, readonly number[]>>;
  readonly notifier: Readonly<Record<string, readonly number[]>>;
  /** Pages by name, a number for each edge. */
  readonly levels: Readonly<Record<string, readonly number[]>>;
  readonly heat: HeatMapRecord;
  readonly lives: readonly PageLife[];
}

type Fields = TraceRecord['fields'];
const GFN_OF_RAM = Layout.ram / PAGE_SIZE;

export class RunRecorder {
  readonly #machine: Machine;
  readonly #axis: TimeAxis;
  readonly #work = new Counts();
  readonly #exits = new Counts();
  readonly #notifier = new Counts();
  readonly #levels = new Levels();
  readonly #heat = new HeatMap();
  readonly #lives = new PageLives();
  /** Counters at the last edge. */
  #last: Readonly<Record<string, number>> = {};
  /** The page that was unmapped into each swap slot last. */
  readonly #pageOfSlot = new Map<number, number>();

  /** Listens from now on. */
  constructor(machine: Machine) {
    this.#machine = machine;
    this.#axis = new TimeAxis(machine.sched.now);
    this.#look(null);
    this.#on('kvm_exit', (fields, time) => {
      this.#exits.add(exitCause(fields), 1);
      if (this.#axis.isDue(time)) this.#endColumn(() => this.#axis.end(time));
    });
    this.#onFaults();
    this.#onSwap();
    this.#onMigration();
    this.#onNotifier();
  }

  /** The run is over, and the machine still stands. */
  finish(): RunRecord {
    const now = Math.max(this.#machine.sched.now, this.#axis.edges.at(-1)! + 1);
    this.#endColumn(() => this.#axis.close(now));
    return {
      edges: this.#axis.edges,
      work: this.#work.record,
      exits: this.#exits.record,
      notifier: this.#notifier.record,
      levels: this.#levels.record,
      heat: this.#heat.record,
      lives: this.#lives.record,
    };
  }

  #on(name: EventName, listener: (fields: Fields, time: number) => void): void {
    this.#machine.trace.subscribe(name, ({ fields, time }) => listener(fields, time));
  }

  #onFaults(): void {
    this.#on('fault_check', ({ gfn = 0, pfn = 0, seq = 0, retry = 0 }, time) => {
      const page = gfn - GFN_OF_RAM;
      this.#heat.fault(page);
      if (retry === 0) this.#lives.add(page, time, 'mapped', pfn);
      else this.#lives.add(page, time, 'retried', seq);
    });
  }

  #onSwap(): void {
    this.#on('try_to_unmap', ({ mm, address = 0, slot = 0 }, time) => {
      const page = this.#isGuests(mm) ? this.#pageAt(address) : null;
      if (page === null) return void this.#pageOfSlot.delete(slot);
      this.#pageOfSlot.set(slot, page);
      this.#lives.add(page, time, 'unmapped', slot);
    });
    const onSlot =
      (event: LifeEvent) =>
      ({ slot = 0 }: Fields, time: number): void => {
        const page = this.#pageOfSlot.get(slot);
        if (page !== undefined) this.#lives.add(page, time, event, slot);
      };
    this.#on('mm_vmscan_write_folio', onSlot('written'));
    this.#on('swap_read_folio', onSlot('read'));
  }

  #onMigration(): void {
    const onEntry =
      (event: LifeEvent) =>
      ({ addr = 0, pte = 0 }: Fields, time: number): void => {
        const page = this.#machine.vmm.kvm === null ? null : this.#pageAt(addr);
        if (page !== null) this.#lives.add(page, time, event, ptePfn(pte));
      };
    this.#on('set_migration_pte', onEntry('moving'));
    this.#on('remove_migration_pte', onEntry('moved'));
  }

  #onNotifier(): void {
    this.#on('invalidate_range_start', ({ mm, start = 0, end = 0, notify = 0 }, time) => {
      this.#notifier.add(NOTIFIER_EVENTS[notify] ?? '', 1);
      this.#inRange(mm, start, end, time, 'notified', notify);
    });
    for (const name of ['clear_flush_young', 'clear_young'] as const) {
      this.#on(name, ({ mm, start = 0, end = 0, young = 0 }, time) => {
        this.#notifier.add(name, 1);
        this.#inRange(mm, start, end, time, 'aged', young);
      });
    }
    for (const name of ['test_young', 'release'] as const) this.#on(name, () => this.#notifier.add(name, 1));
  }

  #inRange(mm: number | undefined, start: number, end: number, time: number, event: LifeEvent, arg: number) {
    if (!this.#isGuests(mm)) return;
    const ram = this.#machine.vmm.ramAddress;
    const { ramBytes } = this.#machine.config;
    const [first, last] = [Math.max(start, ram), Math.min(end, ram + ramBytes)];
    if (first >= last) return;
    this.#lives.addRange((first - ram) / PAGE_SIZE, (last - ram) / PAGE_SIZE, time, event, arg);
  }

  #isGuests = (mm: number | undefined): boolean => this.#machine.vmm.kvm?.mm.id === mm;

  /** The guest's page at an address of the VMM's process; null: it is none. */
  #pageAt(address: number): number | null {
    const page = Math.floor((address - this.#machine.vmm.ramAddress) / PAGE_SIZE);
    return page >= 0 && page < this.#machine.config.ramBytes / PAGE_SIZE ? page : null;
  }

  #endColumn(endOnAxis: () => Merge | null): void {
    const { kvm } = this.#machine.vmm;
    if (kvm !== null) {
      forEachPte(kvm.mm, (address, pte) => {
        const page = this.#pageAt(address);
        if (page !== null) this.#heat.place(page, isSwapPte(pte));
      });
    }
    this.#count();
    const merge = endOnAxis();
    for (const each of [this.#work, this.#exits, this.#notifier, this.#heat]) each.endColumn(merge);
    this.#look(merge);
  }

  /** What was counted since the last edge. */
  #count(): void {
    const now = this.#counters();
    for (const [name, value] of Object.entries(now)) this.#work.add(name, value - (this.#last[name] ?? 0));
  }

  /** At a new edge. */
  #look(merge: Merge | null): void {
    const { zone, swap, vmstat } = this.#machine.host;
    this.#last = this.#counters();
    const levels = {
      memory: zone.managedPages - zone.freePages,
      tables: vmstat.nr_page_table_pages + vmstat.nr_sec_page_table_pages,
      swap: swap === null ? 0 : swap.totalSlots - swap.freeSlots,
    };
    this.#levels.add(levels, merge);
  }

  #counters(): Readonly<Record<string, number>> {
    const { instructions, faults } = this.#machine.progress();
    const { pswpin, pswpout } = this.#machine.host.vmstat;
    return { instructions, faults, pswpin, pswpout };
  }
}
