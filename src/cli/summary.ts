// What a run prints for people: one line of how it ended, and the counters of --stats.

import type { RunReport } from './report.ts';
import { bytesInWords, count, plural } from './words.ts';

/** One line (more only for a bug, with its stack). */
export function summary(report: RunReport): string {
  const ran = report.instructions > 0 ? `; ${work(report)}` : '';
  return `${verdict(report)}${ran}`;
}

function verdict({ outcome, message, guest }: RunReport): string {
  switch (outcome) {
    case 'pass':
      return guest.reason === null ? 'pass' : `pass (${guest.reason})`;
    case 'fail':
      return `fail: the guest answered ${guest.code}`;
    case 'crash':
      return `crash: ${message}`;
    default:
      return message ?? outcome;
  }
}

const work = ({ instructions, seconds, mips, ram, swap }: RunReport): string =>
  `${plural(instructions, 'instruction')} in ${seconds.toFixed(2)} s (${mips.toFixed(1)} MIPS), ` +
  `host memory ${bytesInWords(ram.hostPeakBytes)} of ${bytesInWords(ram.hostBytes)}, swap ${bytesInWords(swap.peakBytes)}`;

/** All counters, by title of their section. */
export const counterSections = (report: RunReport) => ({
  exits: report.exits,
  'mmu_notifier calls': report.notifier,
  'kvm statistics': report.kvm,
  'vm statistics (/proc/vmstat)': report.vm,
  ...(report.memcg === undefined ? {} : { "memory cgroup of the VM's process": report.memcg }),
});

/** All counters, a section each. */
export function statistics(report: RunReport): string {
  return Object.entries(counterSections(report))
    .map(([title, counters]) => `\n${title}\n${table(counters)}`)
    .join('');
}

function table(counters: Readonly<Record<string, number>>): string {
  return Object.entries(counters)
    .map(([name, value]) => `  ${name.padEnd(36)} ${count(value).padStart(16)}\n`)
    .join('');
}
