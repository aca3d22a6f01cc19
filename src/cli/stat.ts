// umbra stat: counts while something runs: exits as perf kvm stat, counters as kvm_stat, memory as vmstat.

import { Command } from 'commander';
import type { Machine } from '../machine.ts';
import { wholeBetween } from './flags.ts';
import { ExitTimes, kvmStatTable } from './inspect/kvmStat.ts';
import { VMSTAT_HEADING, VmstatLines } from './inspect/vmstatLines.ts';
import { type RunObserver, runObserved } from './observer.ts';

interface StatFlags {
  readonly interval?: number;
}

const NS_PER_MS = 1e6;

export function command(exit: (code: number) => void): Command {
  return new Command('stat')
    .usage('[options] -- run FILE [arguments]')
    .argument('[command...]', 'what to run, as in: run guests/sort.s')
    .option(
      '-i, --interval <ms>',
      'a line of vmstat for each interval of virtual time',
      wholeBetween(1, 3_600_000),
    )
    .action((words: readonly string[], flags: StatFlags) =>
      runObserved(words, ['run'], observer(flags), exit),
    );
}

function observer({ interval }: StatFlags): RunObserver {
  const exits = new ExitTimes();
  const print = (text: string): void => {
    process.stdout.write(text);
  };
  return {
    takesOutput: true,
    begin(machine) {
      exits.attach(machine.trace);
      if (interval === undefined) return;
      print(VMSTAT_HEADING);
      new VmstatLines(machine, interval * NS_PER_MS, print).attach();
    },
    end(machine) {
      print(`${interval === undefined ? '' : '\n'}${exits.table()}\n${counters(machine)}`);
    },
  };
}

const counters = (machine: Machine): string =>
  kvmStatTable(machine.statistics().kvm, machine.sched.now / 1e9);
