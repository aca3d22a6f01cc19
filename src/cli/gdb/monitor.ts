// GDB's monitor commands: what a debugger of a guest cannot know: both stages of translation, TLBs, the host's
// memory; and reclaim, to make happen now what might happen some time.

import type { Machine } from '../../machine.ts';
import { readVmstat, shrinkAllMemory } from '../../mm/index.ts';
import { bug } from '../../units.ts';
import { qemuTables } from '../inspect/guestTables.ts';
import type { GuestView } from '../inspect/guestView.ts';
import { parseAddress } from '../inspect/number.ts';
import { tlbText } from '../inspect/tlbEntries.ts';
import { type AddressKind, vtopText } from '../inspect/vtop.ts';

const HELP = `vtop [gva|gpa|hva] ADDRESS   every stage of a translation, and who has it cached
tlb                          the TLB entries of the vCPU
mem                          the guest's own page tables, as QEMU's info mem
swap                         the swap area and what the host's memory does
reclaim N                    the host frees N pages now
`;

/** What to print; ends with a newline. */
export function monitor(machine: Machine, view: GuestView, current: number, line: string): string {
  const [command = '', ...words] = line.trim().split(/\s+/);
  const vcpu = view.kvm.vcpus[current]!;
  switch (command) {
    case 'vtop':
      return vtop(view, current, words);
    case 'tlb':
      return tlbText(view.kvm, vcpu);
    case 'mem':
      return qemuTables(view, vcpu.hart);
    case 'swap':
      return swapText(machine);
    case 'reclaim':
      return reclaim(machine, words);
    case 'help':
    case '':
      return HELP;
    default:
      return `no such command: ${command}\n${HELP}`;
  }
}

const KINDS: readonly string[] = ['gva', 'gpa', 'hva'];

function vtop(view: GuestView, current: number, words: readonly string[]): string {
  const hasKind = KINDS.includes(words[0] ?? '');
  const kind = (hasKind ? words[0] : 'gva') as AddressKind;
  const address = parseAddress(words[hasKind ? 1 : 0] ?? '');
  if (address === null) return 'usage: monitor vtop [gva|gpa|hva] ADDRESS\n';
  return vtopText(view, view.kvm.vcpus[current]!, kind, address);
}

function swapText({ host }: Machine): string {
  const { swap } = host;
  const vm = readVmstat(host);
  const slots = swap === null ? 'no swap\n' : `slots ${swap.totalSlots} free ${swap.freeSlots}\n`;
  const names = ['nr_free_pages', 'nr_inactive_anon', 'nr_active_anon', 'nr_swapcached', 'pswpin', 'pswpout'];
  return slots + names.map((name) => `${name} ${vm[name]}\n`).join('');
}

/** Other tasks may run meanwhile; the harts stand. */
function reclaim({ host, sched }: Machine, [count = '']: readonly string[]): string {
  const pages = /^\d{1,9}$/.test(count) ? Number(count) : 0;
  if (pages === 0) return 'usage: monitor reclaim N\n';
  let freed = 0;
  const task = sched.spawn(
    'monitor',
    (function* () {
      freed = yield* shrinkAllMemory(host, pages);
    })(),
  );
  if (sched.run(() => task.state === 'done') === 'deadlock') bug('reclaim for a debugger waits for ever');
  return `${freed} pages freed\n`;
}
