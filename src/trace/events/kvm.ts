// kvm: and kvmmmu:. kvm_entry and kvm_exit are RISC-V's (arch/riscv/kvm/trace.h); what only x86 traces is x86's
// (arch/x86/kvm/trace.h, mmu/mmutrace.h), with RISC-V's exceptions and page-table bits in it; the rest is generic
// (include/trace/events/kvm.h).
//
// kvm/ calls these. Differences: kvm_inj_exception names RISC-V's causes and has stval in place of an error code, and
// kvm_mmu_set_spte takes "w" from RISC-V's bit 2.

import { bits, either, flagged, numbered, symbolic, system, type Term, word } from '../shape.ts';

const EXIT_REASONS = numbered([
  'KVM_EXIT_UNKNOWN',
  'KVM_EXIT_EXCEPTION',
  'KVM_EXIT_IO',
  'KVM_EXIT_HYPERCALL',
  'KVM_EXIT_DEBUG',
  'KVM_EXIT_HLT',
  'KVM_EXIT_MMIO',
  'KVM_EXIT_IRQ_WINDOW_OPEN',
  'KVM_EXIT_SHUTDOWN',
  'KVM_EXIT_FAIL_ENTRY',
  'KVM_EXIT_INTR',
]);

const EINTR = 4;

const exitReason: Term = {
  field: 'reason',
  c: `REC->errno < 0 ? (REC->errno == -${EINTR} ? "restart" : "error") : ${symbolic('reason', EXIT_REASONS).c}`,
  of: (values) => {
    if ((values.errno as number) >= 0) return symbolic('reason', EXIT_REASONS).of(values);
    return values.errno === -EINTR ? 'restart' : 'error';
  },
};

const exitNumber: Term = {
  field: null,
  c: 'REC->errno < 0 ? -REC->errno : REC->reason',
  of: ({ errno, reason }) => ((errno as number) < 0 ? -(errno as number) : reason!),
};

/** Causes that a hypervisor injects, by Linux's names (asm/csr.h: EXC_*). */
const EXCEPTIONS = [
  [0, 'INST_MISALIGNED'],
  [1, 'INST_ACCESS'],
  [2, 'INST_ILLEGAL'],
  [3, 'BREAKPOINT'],
  [4, 'LOAD_MISALIGNED'],
  [5, 'LOAD_ACCESS'],
  [6, 'STORE_MISALIGNED'],
  [7, 'STORE_ACCESS'],
  [12, 'INST_PAGE_FAULT'],
  [13, 'LOAD_PAGE_FAULT'],
  [15, 'STORE_PAGE_FAULT'],
] as const;

/** Why the hart left the guest (EXIT_NAMES of hw/hart). */
export const HART_EXITS = [
  'none',
  'budget',
  'mmuFault',
  'satp',
  'sfence',
  'wfi',
  'crash',
  'kick',
  'timer',
] as const;

/** Exits of faults by scause, all others by why the hart left. */
const FAULT_CAUSES: Readonly<Record<number, string>> = {
  12: 'INST_PAGE_FAULT',
  13: 'LOAD_PAGE_FAULT',
  15: 'STORE_PAGE_FAULT',
  20: 'INST_GUEST_PAGE_FAULT',
  21: 'LOAD_GUEST_PAGE_FAULT',
  23: 'STORE_GUEST_PAGE_FAULT',
};

/** The cause of an exit in a word, from the fields of its kvm_exit. */
export const exitCause = ({ reason = 0, scause = 0 }: Readonly<Record<string, number>>): string =>
  FAULT_CAUSES[scause] ?? HART_EXITS[reason] ?? '';

const MMIO = numbered(['unsatisfied-read', 'read', 'write']);

export const KVM_EVENTS = system('kvm', {
  kvm_entry: [{ pc: 'unsigned long', vcpu_id: 'unsigned int' }, 'PC: 0x%016lx', 'pc'],
  kvm_exit: [
    {
      sepc: 'unsigned long',
      scause: 'cause',
      stval: 'unsigned long',
      htval: 'unsigned long',
      htinst: 'unsigned long',
      vcpu_id: 'unsigned int',
      reason: 'unsigned int',
      instructions: 'u64',
    },
    'SEPC:0x%lx, SCAUSE:0x%lx, STVAL:0x%lx, HTVAL:0x%lx, HTINST:0x%lx',
    'sepc',
    'scause',
    'stval',
    'htval',
    'htinst',
  ],
  kvm_page_fault: [
    { vcpu_id: 'unsigned int', guest_rip: 'unsigned long', fault_address: 'u64', error_code: 'u64' },
    'vcpu %u rip 0x%lx address 0x%016llx error_code 0x%llx',
    'vcpu_id',
    'guest_rip',
    'fault_address',
    'error_code',
  ],
  kvm_inj_exception: [
    { exception: 'u8', tval: 'u64', vcpu_id: 'unsigned int' },
    '%s (0x%llx)',
    symbolic('exception', EXCEPTIONS),
    'tval',
  ],
  kvm_mmio: [
    { type: 'u32', len: 'u32', gpa: 'u64', val: 'u64', vcpu_id: 'unsigned int' },
    'mmio %s len %u gpa 0x%llx val 0x%llx',
    symbolic('type', MMIO),
    'len',
    'gpa',
    'val',
  ],
  kvm_userspace_exit: [
    { reason: '__u32', errno: 'int', vcpu_id: 'unsigned int' },
    'reason %s (%d)',
    exitReason,
    exitNumber,
  ],
  kvm_unmap_hva_range: [
    { start: 'unsigned long', end: 'unsigned long' },
    'mmu notifier unmap range: %#016lx -- %#016lx',
    'start',
    'end',
  ],
  kvm_age_hva: [
    { start: 'unsigned long', end: 'unsigned long' },
    'mmu notifier age hva: %#016lx -- %#016lx',
    'start',
    'end',
  ],
  kvm_test_age_hva: [{ hva: 'unsigned long' }, 'mmu notifier test age hva: %#016lx', 'hva'],
});

/** Bits of union kvm_mmu_page_role as x86 has them; kvm/ makes the word (roleWord). */
const ACCESS = ['---', '--x', 'w--', 'w-x', '-u-', '-ux', 'wu-', 'wux'];

const PAGE_FIELDS = {
  mmu_valid_gen: '__u8',
  gfn: '__u64',
  role: '__u32',
  root_count: '__u32',
  unsync: 'bool',
} as const;

const PAGE_FORMAT = 'sp gen %u gfn %llx l%u %u-byte q%u%s %s%s %snxe %sad root %u %s';
const PAGE_ARGS = [
  'mmu_valid_gen',
  'gfn',
  bits('role', 0, 15),
  { field: null, c: '((REC->role >> 4) & 1) ? 4 : 8', of: ({ role }) => ((role as number) & 16 ? 4 : 8) },
  bits('role', 5, 3),
  word('role', 7, ['', ' direct']),
  word('role', 8, ACCESS),
  word('role', 11, ['', ' invalid']),
  word('role', 12, ['!', '']),
  word('role', 16, ['', '!']),
  'root_count',
  either('unsync', 'unsync', 'sync'),
] as const satisfies (string | Term)[];

/** PFERR_*: the error code of a page fault as x86 has it. */
const PFERR = [
  [1, 'P'],
  [2, 'W'],
  [4, 'U'],
  [32, 'PK'],
  [64, 'SS'],
  [32768, 'SGX'],
  [8, 'RSVD'],
  [16, 'F'],
] as const;

const pferr: Term = {
  field: null,
  c: `__print_flags(REC->pferr, "|", ${PFERR.map(([bit, name]) => `{ ${bit}, "${name}" }`).join(', ')})`,
  of: flagged('pferr', PFERR, '').of,
};

export const KVMMMU_EVENTS = system('kvmmmu', {
  kvm_mmu_pagetable_walk: [
    { addr: '__u64', pferr: '__u32' },
    'addr %llx pferr %x %s',
    'addr',
    'pferr',
    pferr,
  ],
  kvm_mmu_walker_error: [{ pferr: '__u32' }, 'pferr %x %s', 'pferr', pferr],
  kvm_mmu_set_accessed_bit: [{ gpa: '__u64' }, 'gpa %llx', 'gpa'],
  kvm_mmu_set_dirty_bit: [{ gpa: '__u64' }, 'gpa %llx', 'gpa'],
  kvm_mmu_get_page: [
    { ...PAGE_FIELDS, created: 'bool', spt: 'u64' },
    `${PAGE_FORMAT} %s`,
    ...PAGE_ARGS,
    either('created', 'new', 'existing'),
  ],
  kvm_mmu_sync_page: [{ ...PAGE_FIELDS, spt: 'u64' }, PAGE_FORMAT, ...PAGE_ARGS],
  kvm_mmu_unsync_page: [{ ...PAGE_FIELDS, spt: 'u64' }, PAGE_FORMAT, ...PAGE_ARGS],
  kvm_mmu_prepare_zap_page: [{ ...PAGE_FIELDS, spt: 'u64' }, PAGE_FORMAT, ...PAGE_ARGS],
  kvm_mmu_set_spte: [
    { gfn: 'u64', spte: 'u64', sptep: 'u64', level: 'u8', r: 'bool', x: 'bool', u: 'signed char' },
    'gfn %llx spte %llx (%s%s%s%s) level %d at %llx',
    'gfn',
    'spte',
    either('r', 'r', '-'),
    word('spte', 2, ['-', 'w']),
    either('x', 'x', '-'),
    either('u', 'u', '-'),
    'level',
    'sptep',
  ],
  kvm_mmu_spte_requested: [
    { gfn: 'u64', pfn: 'u64', level: 'u8' },
    'gfn %llx pfn %llx level %d',
    'gfn',
    'pfn',
    'level',
  ],
});
