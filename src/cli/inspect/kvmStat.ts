// Statistics of a VM's exits, as `perf kvm stat report` prints them, and its counters as kvm_stat does. Times are
// virtual.
//
// ExitTimes listens to kvm_exit and kvm_entry: an exit is handled from the one to the next other of the same vCPU.

import { exitCause, type Trace } from '../../trace/index.ts';

interface ExitStat {
  samples: number;
  total: number;
  squares: number;
  least: number;
  most: number;
}

export class ExitTimes {
  readonly #stats = new Map<string, ExitStat>();
  /** When which exit of a vCPU began. */
  readonly #open = new Map<number, { readonly name: string; readonly time: number }>();

  attach(trace: Trace): void {
    trace.subscribe('kvm_exit', ({ time, fields }) => {
      this.#open.set(fields.vcpu_id ?? 0, { name: exitCause(fields), time });
    });
    trace.subscribe('kvm_entry', ({ time, fields: { vcpu_id = 0 } }) => {
      const exit = this.#open.get(vcpu_id);
      if (exit !== undefined) this.#count(exit.name, time - exit.time);
      this.#open.delete(vcpu_id);
    });
  }

  #count(name: string, duration: number): void {
    const stat = this.#stats.get(name) ?? { samples: 0, total: 0, squares: 0, least: Infinity, most: 0 };
    stat.samples++;
    stat.total += duration;
    stat.squares += duration * duration;
    stat.least = Math.min(stat.least, duration);
    stat.most = Math.max(stat.most, duration);
    this.#stats.set(name, stat);
  }

  /** perf kvm stat's table, most frequent exits first. */
  table(): string {
    const stats = [...this.#stats].toSorted(([, a], [, b]) => b.samples - a.samples);
    const samples = sum(stats.map(([, stat]) => stat.samples));
    const total = sum(stats.map(([, stat]) => stat.total));
    const rows = stats.map(([name, stat]) => row(name, stat, samples, total));
    const totals = `Total Samples:${samples}, Total events handled time:${micros(total)}us.`;
    return `Analyze events for all VMs, all VCPUs:\n\n${HEADING}\n\n${rows.join('')}\n${totals}\n`;
  }
}

const HEADING = ['VM-EXIT', 'Samples', 'Samples%', 'Time%', 'Min Time', 'Max Time', 'Avg time']
  .map((title, i) => title.padStart([25, 10, 9, 9, 11, 11, 16][i]!))
  .join(' ');

const micros = (time: number): string => (time / 1000).toFixed(2);

function row(name: string, stat: ExitStat, samples: number, total: number): string {
  const percent = (part: number, whole: number): string => `${((100 * part) / (whole || 1)).toFixed(2)}%`;
  const cells = [
    name.padStart(25),
    `${stat.samples}`.padStart(10),
    percent(stat.samples, samples).padStart(9),
    percent(stat.total, total).padStart(9),
    `${micros(stat.least)}us`.padStart(11),
    `${micros(stat.most)}us`.padStart(11),
    `${micros(stat.total / stat.samples)}us`.padStart(11),
  ];
  return `${cells.join(' ')} ( +-${deviation(stat).toFixed(2).padStart(7)}% )\n`;
}

/** Standard error of the mean, in percent of it. */
function deviation({ samples, total, squares }: ExitStat): number {
  const mean = total / samples;
  if (samples < 2 || mean === 0) return 0;
  const variance = Math.max(0, (squares - samples * mean * mean) / (samples - 1));
  return (100 * Math.sqrt(variance / samples)) / mean;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** kvm_stat's table of counters that are not 0; `seconds` of virtual time. */
export function kvmStatTable(counters: Readonly<Record<string, number>>, seconds: number): string {
  const used = Object.entries(counters).filter(([, value]) => value > 0);
  const total = sum(used.map(([, value]) => value));
  const rows = used
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, value]) => {
      const share = ((100 * value) / (total || 1)).toFixed(1);
      const rate = seconds > 0 ? Math.round(value / seconds) : 0;
      return ` ${name.padEnd(40)} ${`${value}`.padStart(10)}${share.padStart(7)} ${`${rate}`.padStart(8)}\n`;
    });
  const heading = ` ${'Event'.padEnd(40)} ${'Total'.padStart(10)}${'%Total'.padStart(7)} ${'CurAvg/s'.padStart(8)}`;
  return `kvm statistics - summary\n\n${heading}\n${rows.join('')}`;
}
