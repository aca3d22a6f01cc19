// vmstat's lines: one for each interval of virtual time, in the columns that everybody knows.
//
// An interval ends at the first exit at or after its end, which is at most a quantum later. Memory in KiB, rates in
// KiB and occurrences a second of virtual time. A guest takes user time, and what passes without any guest running is
// waiting.

import type { Machine } from '../../machine.ts';
import { readVmstat } from '../../mm/index.ts';
import { PAGE_SIZE } from '../../units.ts';

const KIB = 1024;

export const VMSTAT_HEADING =
  'procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n' +
  ' r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n';

interface Reading {
  readonly time: number;
  readonly instructions: number;
  readonly switches: number;
  readonly vm: Readonly<Record<string, number>>;
}

export class VmstatLines {
  readonly #machine: Machine;
  readonly #interval: number;
  readonly #print: (line: string) => void;
  #last: Reading;
  #switches = 0;

  /** `interval` in ns of virtual time. */
  constructor(machine: Machine, interval: number, print: (line: string) => void) {
    this.#machine = machine;
    this.#interval = interval;
    this.#print = print;
    this.#last = this.#read();
  }

  attach(): void {
    const { trace } = this.#machine;
    trace.subscribe('sched_switch', () => {
      this.#switches++;
    });
    trace.subscribe('kvm_exit', () => {
      if (this.#machine.sched.now >= this.#last.time + this.#interval) this.#printLine();
    });
  }

  #read(): Reading {
    const { sched, instructions, host } = this.#machine;
    return { time: sched.now, instructions, switches: this.#switches, vm: readVmstat(host) };
  }

  #printLine(): void {
    const now = this.#read();
    const span = (now.time - this.#last.time) / 1e9;
    this.#print(`${lineOf(this.#machine, this.#last, now, span)}\n`);
    this.#last = now;
  }
}

function lineOf({ sched, host }: Machine, before: Reading, now: Reading, seconds: number): string {
  const pages = (name: string): number => ((now.vm[name] ?? 0) * PAGE_SIZE) / KIB;
  const rate = (name: string): number =>
    Math.round((((now.vm[name] ?? 0) - (before.vm[name] ?? 0)) * PAGE_SIZE) / KIB / seconds);
  // These two count in KiB, as Linux has them.
  const blocks = (name: string): number =>
    Math.round(((now.vm[name] ?? 0) - (before.vm[name] ?? 0)) / seconds);
  const swapped = host.swap === null ? 0 : host.swap.totalSlots - host.swap.freeSlots;
  const user = Math.min(100, Math.round((100 * (now.instructions - before.instructions)) / (seconds * 1e9)));
  const cells: [number, number][] = [
    [sched.tasks.filter(({ state }) => state === 'runnable').length, 2],
    [sched.tasks.filter(({ waitingFor }) => /I\/O|writeback|locked/.test(waitingFor)).length, 2],
    [(swapped * PAGE_SIZE) / KIB, 6],
    [pages('nr_free_pages'), 6],
    [0, 6],
    [pages('nr_file_pages') + pages('nr_swapcached'), 6],
    [rate('pswpin'), 4],
    [rate('pswpout'), 4],
    [blocks('pgpgin'), 5],
    [blocks('pgpgout'), 5],
    [
      Math.round(
        ((now.vm.nr_tlb_remote_flush_received ?? 0) - (before.vm.nr_tlb_remote_flush_received ?? 0)) /
          seconds,
      ),
      4,
    ],
    [Math.round((now.switches - before.switches) / seconds), 4],
    [user, 2],
    [0, 2],
    [0, 2],
    [100 - user, 2],
    [0, 2],
  ];
  return cells.map(([value, width]) => `${value}`.padStart(width)).join(' ');
}
