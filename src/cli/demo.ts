// umbra demo: what Umbra is for, shown in two runs and told in plain words (`npm start`).
//
// First a guest that uses four times the memory that its host has, and checks every byte; then a small kernel whose page
// tables are shadowed while its host swaps. Says what happened, in numbers that the runs themselves produced.

import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { Interrupt } from '../platform/index.ts';
import { readProgram } from '../vmm/index.ts';
import { GuestConsole } from './guestConsole.ts';
import { LiveLine } from './liveLine.ts';
import { EXIT_CODES } from './outcome.ts';
import { readGuestProgram } from './program.ts';
import type { RunReport } from './report.ts';
import { runSession } from './session.ts';
import { DEFAULT_SETTINGS, type RunSettings } from './settings.ts';
import { summary } from './summary.ts';
import { count, mebibytes } from './words.ts';

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
  const interrupt = new Interrupt();
  try {
    for (const act of [THRASH, KERNEL]) {
      const exitCode = await perform(act, interrupt);
      if (exitCode !== EXIT_CODES.pass) return exitCode;
    }
    process.stdout.write(EPILOGUE);
    return EXIT_CODES.pass;
  } catch (error) {
    if (!interrupt.isAborted) throw error;
    return interrupt.exitCode;
  } finally {
    interrupt.dispose();
  }
}

async function perform(act: Act, interrupt: Interrupt): Promise<number> {
  const file = fileURLToPath(new URL(`../../guests/${act.guest}`, import.meta.url));
  const image = readProgram(readGuestProgram(file), act.guest, act.settings.ramBytes);
  process.stdout.write(act.opening);
  const liveLine = new LiveLine(process.stderr);
  const console = new GuestConsole(process.stdout, interrupt);
  console.onPrint = () => liveLine.clear();
  try {
    const report = await runSession({ ...act, image, console, liveLine, interrupt, digest: false });
    if (report.outcome === 'pass') process.stdout.write(act.closing(report));
    else process.stderr.write(`umbra: ${act.guest}: ${summary(report)}\n`);
    return report.exitCode;
  } finally {
    console.dispose();
  }
}

function closingOfThrash(report: RunReport): string {
  const { ram, swap, vm, notifier, kvm, coverage, instructions, seconds, mips } = report;
  return `
   All right: the guest found every byte as it had written it.

   memory the guest used      ${line(mebibytes(coverage.pages * 4 * KIB), 'and verified, three times')}
   memory the host had        ${line(mebibytes(ram.hostBytes), 'for the guest, all page tables and the swap cache')}
   pages that went out        ${line(count(vm.pswpout ?? 0), 'written to the swap file')}
   pages that came back       ${line(count(vm.pswpin ?? 0), 'read from it, when the guest touched them again')}
   never out of memory        ${line(count(coverage.neverSwapped), `of the ${count(coverage.pages)} pages of its buffer`)}
   notifier calls             ${line(count(notifier.invalidate_range_start ?? 0), 'before the host took pages: the hypervisor forgot them first')}
   page faults in the shadow  ${line(count(kvm.pf_taken ?? 0), 'where the hypervisor had to find a page again')}
   most swap in use           ${line(mebibytes(swap.peakBytes), 'at one time')}
   speed                      ${line(`${mips.toFixed(1)} MIPS`, `${count(instructions)} instructions in ${seconds.toFixed(1)} s`)}

   The notifier calls (mmu_notifier, as in Linux) are all that keeps the shadow page tables in step with the host.
   Leave one out, and the guest reads a page that belongs to somebody else by now.
`;
}

function closingOfKernel(report: RunReport): string {
  const { vm, kvm, notifier, instructions, seconds } = report;
  return `
   All right: every fault came when, where and why the manual says, and no other.

   shadow page tables dropped ${line(count(kvm.mmu_shadow_zapped ?? 0), 'because the guest changed its own tables')}
   pages out and back         ${line(`${count(vm.pswpout ?? 0)}, ${count(vm.pswpin ?? 0)}`, 'page tables of the guest among them')}
   notifier calls             ${line(count(notifier.invalidate_range_start ?? 0), 'kept the shadows in step')}
   instructions               ${line(count(instructions), `in ${seconds.toFixed(1)} s`)}
`;
}

const line = (value: string, meaning: string): string => `${value.padStart(12)}   ${meaning}`;
