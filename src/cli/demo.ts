// umbra demo: what Umbra is for, shown in two runs and told in plain words (`npm start`).
//
// First a guest that uses four times the memory that its host has, and checks every byte; then a small kernel whose page
// tables are shadowed while its host swaps. Says what happened, in numbers that the runs themselves produced.

import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { readProgram } from '../vmm/index.ts';
import { EXIT_CODES } from './outcome.ts';
import { readGuestProgram } from './program.ts';
import type { RunReport } from './report.ts';
import { onScreen } from './screen.ts';
import { runSession } from './session.ts';
import { DEFAULT_SETTINGS, type RunSettings } from './settings.ts';
import { summary } from './summary.ts';
import { bytesInWords, count } from './words.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;

interface Act {
  readonly guest: string;
  readonly settings: RunSettings;
  /** Printed before the run. */
  readonly opening: string;
  readonly closing: (report: RunReport) => string;
}

const THRASH: Act = {
  guest: 'thrash.s',
  settings: { ...DEFAULT_SETTINGS, ramBytes: 80 * MIB, hostRamBytes: 16 * MIB },
  opening: `
1. A guest that needs more memory than there is

   The guest program guests/thrash.s (real RISC-V machine code) fills 64 MiB with a pattern and reads it back, three
   times over. Its host has 16 MiB, and a swap file. So the host keeps taking pages away from the guest, and the guest
   must never notice. It prints a dot for each pass:

`,
  closing: closingOfThrash,
};

const KERNEL: Act = {
  guest: 'kernel.s',
  settings: { ...DEFAULT_SETTINGS, ramBytes: 2 * MIB, hostRamBytes: 256 * KIB },
  opening: `
2. A guest with page tables of its own

   guests/kernel.s is a small operating system kernel: it builds page tables, runs processes, takes page faults. The
   hardware never sees its tables: the hypervisor keeps shadows of them, which must follow every change that the guest
   makes, and every page that the host (256 KiB this time) takes. It prints what it is checking:

`,
  closing: closingOfKernel,
};

const EPILOGUE = `
Try next:
   npx umbra run guests/sort.s --host-ram 1M --stats    another guest, with all counters
   npx umbra run guests/kernel.s --trace events.jsonl   every event as a line of JSON
   npx umbra run --help                                 all options
`;

export function command(exit: (code: number) => void): Command {
  return new Command('demo').action(async () => exit(await demo()));
}

async function demo(): Promise<number> {
  for (const act of [THRASH, KERNEL]) {
    const exitCode = await perform(act);
    if (exitCode !== EXIT_CODES.pass) return exitCode;
  }
  process.stdout.write(EPILOGUE);
  return EXIT_CODES.pass;
}

async function perform({ guest, settings, opening, closing }: Act): Promise<number> {
  const file = fileURLToPath(new URL(`../../guests/${guest}`, import.meta.url));
  const image = readProgram(readGuestProgram(file), guest, settings.ramBytes);
  process.stdout.write(opening);
  const report = await onScreen(process.stdout, (screen) =>
    runSession({ image, settings, screen, digest: false }),
  );
  if (report.outcome === 'pass') process.stdout.write(closing(report));
  else process.stderr.write(`umbra: ${guest}: ${summary(report)}\n`);
  return report.exitCode;
}

function closingOfThrash(report: RunReport): string {
  const { ram, swap, vm, notifier, kvm, coverage, instructions, seconds, mips } = report;
  const pages = count(coverage.pages);
  return `
   All right: every byte was as the guest had written it.

   memory the guest used      ${line(bytesInWords(coverage.pages * 4 * KIB), 'filled and verified three times')}
   memory the host had        ${line(bytesInWords(ram.hostBytes), 'for the guest and all page tables')}
   most swap in use           ${line(bytesInWords(swap.peakBytes), 'at one time')}
   pages that went out        ${line(count(vm.pswpout ?? 0), 'written to the swap file, 4 KiB each')}
   pages that came back       ${line(count(vm.pswpin ?? 0), 'read again when the guest touched them')}
   pages that never left      ${line(count(coverage.neverSwapped), `of the ${pages} of the buffer`)}
   notifier calls             ${line(count(notifier.invalidate_range_start ?? 0), 'each before the host took a page away')}
   page faults                ${line(count(kvm.pf_taken ?? 0), 'each where the hypervisor found a page again')}
   instructions               ${line(count(instructions), `in ${seconds.toFixed(1)} s: ${mips.toFixed(1)} million a second`)}

   The guest's memory accesses go through shadow page tables, which the hypervisor makes. The host does not know them. The
   notifier calls (mmu_notifier, as in Linux) are all that keeps the two in step: each tells the hypervisor to forget a
   page before it goes. Leave one out, and the guest reads and writes a page that belongs to somebody else by now.
`;
}

function closingOfKernel(report: RunReport): string {
  const { vm, kvm, notifier, instructions, seconds } = report;
  return `
   All right: every fault came when, where and why the manual says, and no other.

   shadow page tables zapped  ${line(count(kvm.mmu_shadow_zapped ?? 0), "after changes of the guest's own tables")}
   pages that went out        ${line(count(vm.pswpout ?? 0), "the guest's page tables among them")}
   pages that came back       ${line(count(vm.pswpin ?? 0), '')}
   notifier calls             ${line(count(notifier.invalidate_range_start ?? 0), 'each before the host took a page away')}
   instructions               ${line(count(instructions), `in ${seconds.toFixed(1)} s`)}
`;
}

const line = (value: string, meaning: string): string => `${value.padStart(12)}   ${meaning}`.trimEnd();
