// umbra show: runs a guest to its end, or a limit, and prints what stands in memory then, as the tools that people
// know do.

import { Command, Option } from 'commander';
import type { Machine } from '../machine.ts';
import { InputError } from '../vmm/index.ts';
import { wholeBetween } from './flags.ts';
import { crashTables, qemuTables, xv6Tables } from './inspect/guestTables.ts';
import { GuestView } from './inspect/guestView.ts';
import { parseAddress } from './inspect/number.ts';
import { pageTypesText } from './inspect/pageTypes.ts';
import { pagemapText, smapsText } from './inspect/smaps.ts';
import { tlbText } from './inspect/tlbEntries.ts';
import { checkVcpu, runObserved } from './observer.ts';

const WHAT = ['tables', 'tlb', 'smaps', 'pagemap', 'page-types'] as const;
type What = (typeof WHAT)[number];

interface ShowFlags {
  readonly style: 'qemu' | 'xv6' | 'crash';
  readonly vcpu: number;
}

export function command(exit: (code: number) => void): Command {
  return new Command('show')
    .usage(`[options] ${WHAT.join('|')} [ADDRESS...] -- run FILE [arguments]`)
    .argument(
      '[words...]',
      'what to show, and for tables of style crash the addresses; behind --, what to run',
    )
    .addOption(
      new Option('--style <style>', "of tables: QEMU's info mem, xv6's vmprint, crash's vtop")
        .choices(['qemu', 'xv6', 'crash'])
        .default('qemu'),
    )
    .option('--vcpu <number>', 'whose tables and TLB', wholeBetween(0, 15), 0)
    .action(async (words: readonly string[], flags: ShowFlags) => {
      const at = words.indexOf('run');
      const [first, ...texts] = words.slice(0, at < 0 ? undefined : at);
      const what = WHAT.find((each) => each === first);
      if (what === undefined) throw new InputError(`what is '${first ?? ''}'? It can be ${WHAT.join(', ')}`);
      checkAddresses(what, flags.style, texts);
      const addresses = texts.map(addressOf);
      const end = (machine: Machine): void => {
        process.stdout.write(textOf(machine, what, flags, addresses));
      };
      const observer = { takesOutput: true, begin: checkVcpu(flags.vcpu), end };
      await runObserved(at < 0 ? [] : words.slice(at), ['run'], observer, exit);
    });
}

/** Throws InputError. */
function checkAddresses(what: What, style: ShowFlags['style'], texts: readonly string[]): void {
  const takesAddresses = what === 'tables' && style === 'crash';
  if (takesAddresses && texts.length === 0)
    throw new InputError('--style crash shows the way of addresses: which? For example 0x80000000');
  if (!takesAddresses && texts.length > 0)
    throw new InputError(`addresses are for tables of --style crash; what is '${texts[0]}'?`);
}

function addressOf(text: string): number {
  const address = parseAddress(text);
  if (address === null) throw new InputError(`'${text}' is no address: a number, decimal or 0x`);
  return address;
}

function textOf(
  { vmm: { kvm }, host }: Machine,
  what: What,
  { style, vcpu }: ShowFlags,
  addresses: readonly number[],
): string {
  if (what === 'page-types') return pageTypesText(host);
  if (kvm === null) return 'there was no room for the guest\n';
  const shown = kvm.vcpus[vcpu]!;
  const view = new GuestView(kvm);
  switch (what) {
    case 'tlb':
      return tlbText(kvm, shown);
    case 'smaps':
      return smapsText(kvm.mm);
    case 'pagemap':
      return pagemapText(kvm.mm);
    case 'tables':
      if (style === 'crash') return crashTables(view, shown.hart, addresses);
      return style === 'xv6' ? xv6Tables(view, shown.hart) : qemuTables(view, shown.hart);
  }
}
