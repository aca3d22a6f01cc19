// umbra top: a screen of a running guest and its host, rewritten in place; plain lines where it is no terminal.
//
// Frames, LRU lists, swap and vCPUs, with rates since the last look. Looks are by the clock, and change nothing.

import { Command } from 'commander';
import type { Vcpu } from '../kvm/index.ts';
import type { Machine } from '../machine.ts';
import { readVmstat } from '../mm/index.ts';
import { PAGE_SIZE } from '../units.ts';
import { positiveSeconds } from './flags.ts';
import { frameMap, slotMap } from './inspect/maps.ts';
import { type RunObserver, runObserved } from './observer.ts';
import { bytesInWords, count } from './words.ts';

const HOME = '\x1b[H\x1b[J';

interface Look {
  readonly at: number;
  readonly instructions: number;
  readonly vm: Readonly<Record<string, number>>;
}

export function command(exit: (code: number) => void): Command {
  return new Command('top')
    .usage('[options] -- run FILE [arguments]')
    .argument('[command...]', 'what to run')
    .option('-d, --delay <seconds>', 'time between two looks', positiveSeconds, 1)
    .action((words: readonly string[], { delay }: { readonly delay: number }) =>
      runObserved(words, ['run'], observer(delay * 1000), exit),
    );
}

function observer(delay: number): RunObserver {
  let last: Look | null = null;
  const show = (machine: Machine): void => {
    const now = lookAt(machine);
    const text = process.stdout.isTTY
      ? `${HOME}${screen(machine, last, now)}`
      : `${line(machine, last, now)}\n`;
    process.stdout.write(text);
    last = now;
  };
  return {
    takesOutput: true,
    begin: (machine) => {
      last = lookAt(machine);
    },
    between: (machine) => {
      if (last === null || performance.now() - last.at >= delay) show(machine);
    },
    end: show,
  };
}

const lookAt = ({ instructions, host }: Machine): Look => ({
  at: performance.now(),
  instructions,
  vm: readVmstat(host),
});

/** A second of `name` since the last look. */
function rate(last: Look | null, now: Look, name: string): number {
  const seconds = last === null ? 0 : (now.at - last.at) / 1000;
  return seconds > 0 ? Math.round(((now.vm[name] ?? 0) - (last!.vm[name] ?? 0)) / seconds) : 0;
}

const mips = (last: Look | null, now: Look): string =>
  last === null || now.at === last.at
    ? '0.0'
    : ((now.instructions - last.instructions) / (now.at - last.at) / 1000).toFixed(1);

function line(machine: Machine, last: Look | null, now: Look): string {
  const { residentBytes, swappedBytes, faults, exits } = machine.progress();
  return [
    `${mips(last, now)} MIPS`,
    `resident ${bytesInWords(residentBytes)}`,
    `swapped ${bytesInWords(swappedBytes)}`,
    `in ${rate(last, now, 'pswpin')}/s`,
    `out ${rate(last, now, 'pswpout')}/s`,
    `faults ${count(faults)}`,
    `exits ${count(exits)}`,
  ].join('  ');
}

const MODES = ['U', 'S', '', 'M'] as const;

function vcpuLine({ index, hart, stats }: Vcpu): string {
  const pc = hart.pc.toString(16).padStart(12);
  const [exits, faults] = [stats.exits, stats.pf_taken].map((n) => count(n).padStart(12));
  return `  vcpu ${index}  pc ${pc}  ${MODES[hart.privilege]}  exits ${exits}  faults ${faults}\n`;
}

function screen(machine: Machine, last: Look | null, now: Look): string {
  const { host, sched } = machine;
  const columns = Math.max(40, process.stdout.columns ?? 80);
  const pages = (name: string): string => bytesInWords((now.vm[name] ?? 0) * PAGE_SIZE).padStart(10);
  const perSecond = (name: string): string => `${rate(last, now, name)}/s`;
  return [
    `umbra top  ${(sched.now / 1e9).toFixed(3)} s virtual  ${mips(last, now)} MIPS  `,
    `${count(now.instructions)} instructions\n\n`,
    `memory   free${pages('nr_free_pages')}  inactive anon${pages('nr_inactive_anon')}  `,
    `active anon${pages('nr_active_anon')}  swap cache${pages('nr_swapcached')}\n`,
    `swap     in ${perSecond('pswpin')}  out ${perSecond('pswpout')}  faults ${perSecond('pgfault')}\n\n`,
    ...(machine.vmm.kvm?.vcpus ?? []).map(vcpuLine),
    `\nframes   . free  a anonymous  A active  s swap cache  f file  g table  S shadow\n${frameMap(host, columns)}`,
    `\nswap     . free  # in use  c with a page in the cache\n${slotMap(host, columns)}`,
  ].join('');
}
