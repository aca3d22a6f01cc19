// umbra vtop: runs a guest to its end, or a limit, and says where addresses lead then, through every stage.

import { Command } from 'commander';
import type { Machine } from '../machine.ts';
import { InputError } from '../vmm/index.ts';
import { wholeBetween } from './flags.ts';
import { GuestView } from './inspect/guestView.ts';
import { parseAddress } from './inspect/number.ts';
import { type AddressKind, vtopText } from './inspect/vtop.ts';
import { checkVcpu, runObserved } from './observer.ts';

const KINDS = ['gva', 'gpa', 'hva'] as const;

export function command(exit: (code: number) => void): Command {
  return new Command('vtop')
    .usage('[options] gva|gpa|hva ADDRESS... -- run FILE [arguments]')
    .argument('[words...]', 'kind and addresses; behind --, what to run')
    .option('--vcpu <number>', 'whose tables and mode a gva goes by', wholeBetween(0, 15), 0)
    .action(async (words: readonly string[], flags: { readonly vcpu: number }) => {
      const { kind, addresses, command: run } = split(words);
      const end = (machine: Machine): void => {
        process.stdout.write(vtopOf(machine, flags.vcpu, kind, addresses));
      };
      const observer = { takesOutput: true, begin: checkVcpu(flags.vcpu), end };
      await runObserved(run, ['run'], observer, exit);
    });
}

function split(words: readonly string[]): {
  kind: AddressKind;
  addresses: number[];
  command: readonly string[];
} {
  const at = words.indexOf('run');
  const [kind, ...texts] = words.slice(0, at < 0 ? undefined : at);
  const known = KINDS.find((each) => each === kind);
  if (known === undefined)
    throw new InputError(`what kind of address is '${kind ?? ''}'? It is gva, gpa or hva`);
  if (texts.length === 0)
    throw new InputError(`which ${known}? For example: umbra vtop ${known} 0x80000000 -- run guests/hello.s`);
  const addresses = texts.map((text) => {
    const address = parseAddress(text);
    if (address === null) throw new InputError(`'${text}' is no address: a number, decimal or 0x`);
    return address;
  });
  return { kind: known, addresses, command: at < 0 ? [] : words.slice(at) };
}

function vtopOf(
  { vmm: { kvm } }: Machine,
  index: number,
  kind: AddressKind,
  addresses: readonly number[],
): string {
  if (kvm === null) return 'there was no room for the guest\n';
  const view = new GuestView(kvm);
  return addresses.map((address) => vtopText(view, kvm.vcpus[index]!, kind, address)).join('\n');
}
