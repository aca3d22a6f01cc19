// The verbs of the command line: what each is for, examples of its use, and where it is. A verb is a file of this folder,
// loaded when it is used.
//
// main.ts makes the command line of them; `umbra help VERB` prints the examples first.

import type { Command } from 'commander';

export interface Verb {
  /** The verb with its arguments, options and action; the action answers through `exit`. */
  command(exit: (code: number) => void): Command;
  /** Says what is wrong with the command line in another way than one line on stderr. True: it was said. */
  reportUsage?(message: string, args: readonly string[]): boolean;
}

interface VerbEntry {
  readonly summary: string;
  /** Command lines behind "umbra". */
  readonly examples: readonly string[];
  load(): Promise<Verb>;
}

export const VERBS: Readonly<Record<string, VerbEntry>> = {
  run: {
    summary: 'run a guest program on a host that swaps',
    examples: [
      'run guests/hello.s',
      'run guests/sort.s --host-ram 1M --stats',
      'run guests/kernel.s --vcpus 2 --mmu tdp --check',
      'run guests/sort.s --host-ram 1M --report sort.html   # a page with charts, for a browser',
      'run -s -S guests/kernel.s          # then: gdb-multiarch -ex "target remote :1234"',
    ],
    load: () => import('./run.ts'),
  },
  trace: {
    summary: 'run something and write what its tracepoints say',
    examples: [
      "trace -e 'kvm:*' -e mmu_notifier -- run guests/sort.s --host-ram 1M",
      'trace -o trace.dat -- run guests/sort.s       # for trace-cmd report -N, KernelShark',
      'trace -o trace.pftrace -- run guests/sort.s   # for ui.perfetto.dev',
      "trace -e fault_check -f 'retry == 1' -- run guests/sort.s --host-ram 1M",
      "trace -o race.json -- replay SCENARIO 'vcpu0:14>reclaim'",
      'trace -l                                      # which events there are',
    ],
    load: () => import('./trace.ts'),
  },
  stat: {
    summary: 'run a guest and count its exits, and what the host does',
    examples: [
      'stat -- run guests/sort.s --host-ram 1M',
      'stat -i 10 -- run guests/thrash.s --ram 80M --host-ram 16M',
    ],
    load: () => import('./stat.ts'),
  },
  vtop: {
    summary: 'run a guest and say where addresses lead',
    examples: [
      'vtop gva 0x80001000 -- run guests/kernel.s --max-insns 200000',
      'vtop gpa 0x80000000 -- run guests/hello.s',
    ],
    load: () => import('./vtop.ts'),
  },
  show: {
    summary: 'run a guest and print tables, TLBs, smaps, page types',
    examples: [
      'show tables -- run guests/kernel.s --max-insns 200000',
      'show tables --style xv6 -- run guests/kernel.s --max-insns 200000',
      'show page-types -- run guests/sort.s --host-ram 1M',
    ],
    load: () => import('./show.ts'),
  },
  top: {
    summary: 'run a guest and watch frames, swap and vCPUs',
    examples: ['top -- run guests/thrash.s --ram 80M --host-ram 16M'],
    load: () => import('./top.ts'),
  },
  report: {
    summary: 'print a trace.dat',
    examples: [
      'report trace.dat',
      "report trace.dat -F 'vmscan: nr_reclaimed > 1'",
      'report trace.dat --hist notify',
    ],
    load: () => import('./traceReport.ts'),
  },
  asm: {
    summary: 'assemble a guest program',
    examples: ['asm guests/hello.s -o hello.elf'],
    load: () => import('./asm.ts'),
  },
  explore: {
    summary: 'run a scenario in every order of its tasks',
    examples: [
      'explore pageout                             # every schedule of at most 2 pre-emptions',
      'explore pageout --policy pos --schedules 1000',
      'explore my-scenario.ts --bound 1            # a module that exports `scenario`',
      'explore pageout --bound 3 --jobs 8',
      'explore pageout --bound 3 --shard 1/4 --json > 1.json   # on each of 4 machines; then: umbra merge *.json',
    ],
    load: () => import('./explore.ts'),
  },
  merge: {
    summary: 'make one verdict of the shards of an exploration',
    examples: ['merge 1.json 2.json 3.json 4.json   # each from umbra explore --shard i/4 --json'],
    load: () => import('./merge.ts'),
  },
  replay: {
    summary: 'run one schedule of a scenario again',
    examples: [
      "replay no-count-check 'reclaim:39>vcpu0'    # as umbra explore and umbra museum print it",
      'replay pageout - --full                     # no switch; every step',
    ],
    load: () => import('./replay.ts'),
  },
  museum: {
    summary: 'bugs of real kernels, and how they are found',
    examples: ['museum', 'museum no-count-check', 'museum --check'],
    load: () => import('./museum.ts'),
  },
  mm: {
    summary: 'run scripts of system calls on the host alone',
    examples: ['mm script.mm', 'mm scripts/*.mm --out answers'],
    load: () => import('./mm.ts'),
  },
  demo: {
    summary: 'a guest with four times the memory of its host, explained',
    examples: ['demo'],
    load: () => import('./demo.ts'),
  },
};
