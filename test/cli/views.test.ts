// The verbs that look at a run: umbra stat, vtop, show and top, as processes; what they print, and mistakes in one line.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { GuestView } from '../../src/cli/inspect/guestView.ts';
import { pageTypesText } from '../../src/cli/inspect/pageTypes.ts';
import { pagemapText, smapsText } from '../../src/cli/inspect/smaps.ts';
import { tlbText } from '../../src/cli/inspect/tlbEntries.ts';
import { vtopText } from '../../src/cli/inspect/vtop.ts';
import { createMachine, MACHINE_DEFAULTS, MemorySwapDevice, readProgram } from '../../src/index.ts';
import { gpa } from '../../src/units.ts';
import { guest, ROOT, umbra } from './umbra.ts';

const MIB = 2 ** 20;

/** Paged, in S mode: a page of code, and a megabyte of which each page holds its own number. */
const SOURCE = `
    .globl _start
_start:
    la t0, root
    la t1, middle
    srli t2, t1, 2
    ori t2, t2, 1
    sd t2, 16(t0)               # 0x80000000: a table
    li t2, 0x200000cf           # of 2 MiB pages: rwx, A, D
    sd t2, 0(t1)
    li t2, 8
    slli t2, t2, 60
    srli t0, t0, 12
    or t0, t0, t2
    csrw satp, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 31
    csrw pmpcfg0, t0
    la t0, paged
    csrw mepc, t0
    li t0, 0x800
    csrs mstatus, t0
    mret
paged:
    la t0, buffer
    li t1, 256
    li t2, 0
1:  sd t2, 0(t0)
    addi t2, t2, 1
    li t3, 4096
    add t0, t0, t3
    bltu t2, t1, 1b
2:  j 2b
    .bss
    .balign 4096
root: .zero 4096
middle: .zero 4096
buffer: .zero 1 << 20
`;
const { elf, symbols } = assemble(SOURCE, { file: 'paged.s' });

/** Stopped in the loop at its end, with half of the buffer in the swap area. */
function stopped() {
  const machine = createMachine({
    ...MACHINE_DEFAULTS,
    image: readProgram(elf, 'paged.s', 4 * MIB),
    ramBytes: 4 * MIB,
    hostRamBytes: MIB,
    swap: new MemorySwapDevice(1024),
    swapBackend: 'memory',
    maxInstructions: 20_000,
  });
  while (machine.runSlice(() => false) === 'running');
  const kvm = machine.vmm.kvm!;
  return { machine, kvm, vcpu: kvm.vcpus[0]!, view: new GuestView(kvm) };
}

describe('a look at a stopped machine', () => {
  const { machine, kvm, vcpu, view } = stopped();
  const buffer = symbols.get('buffer')!;

  it('reads every page, those in the swap area too, and changes nothing', () => {
    const before = Buffer.from(machine.memory.u8);
    const { pswpin } = machine.statistics().vm;
    for (let page = 0; page < 256; page++) {
      const bytes = view.readVirtual(vcpu.hart, buffer + page * 4096, 8)!;
      expect(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)).toBe(BigInt(page));
      vtopText(view, vcpu, 'gva', buffer + page * 4096);
    }
    for (const look of [
      smapsText(kvm.mm),
      pagemapText(kvm.mm),
      pageTypesText(machine.host),
      tlbText(kvm, vcpu),
    ])
      expect(look.length).toBeGreaterThan(50);
    expect(Buffer.compare(before, machine.memory.u8)).toBe(0);
    expect(machine.statistics().vm.pswpin).toBe(pswpin);
  });

  it('says where a page is, through both stages', () => {
    const texts = Array.from({ length: 256 }, (_, page) =>
      vtopText(view, vcpu, 'gva', buffer + page * 4096 + 8),
    );
    const out = texts.find((text) => text.includes('\nswap '))!;
    expect(out).toMatch(
      /^gva +0x80\w+\n {2}level 2 +gpte 0x\w+ v-{7} at gpa 0x\w+\n {2}level 1 +gpte 0x200000cf vrwx--ad /,
    );
    expect(out).toMatch(/\nswap +slot \d+\nspte +none\n/);
    const present = texts.find((text) => text.includes(' agree'))!;
    expect(present).toMatch(
      /\nframe +pfn 0x\w+ refcount 1 mapcount 1\nspte +0x\w+ vrwx--[-a]d at 0x\w+ pfn 0x\w+ agree\n/,
    );
  });

  it('says STALE where a TLB holds what no spte maps', () => {
    const { kvm: broken, vcpu: hart, view: seen, machine: host } = stopped();
    const last = buffer + 255 * 4096;
    const slot = seen.slotOf(gpa(last))!;
    for (const sptep of slot.rmap.sptesOf(Math.floor(last / 4096) as never)) host.memory.i32[sptep >>> 2] = 0;
    expect(vtopText(seen, hart, 'gva', last)).toMatch(/\ntlb +vcpu 0 \w+ 0x\w+ -> pfn 0x\w+ STALE\n/);
    expect(tlbText(broken, hart)).toContain(' STALE\n');
  });

  it('adds up smaps and page types to what the host counts', () => {
    const kib = (name: string): number =>
      [...smapsText(kvm.mm).matchAll(new RegExp(`^${name}: +(\\d+) kB$`, 'gm'))].reduce(
        (sum, m) => sum + Number(m[1]),
        0,
      );
    const { vm, swap } = machine.statistics();
    expect(kib('Rss')).toBe(4 * kvm.mm.anonPages);
    expect(kib('Swap')).toBeGreaterThan(0);
    expect(kib('Swap') * 1024).toBeLessThanOrEqual(swap.bytes);
    const types = pageTypesText(machine.host);
    const free = Number(/^0x0000000000000400\t *(\d+)/m.exec(types)![1]);
    expect(free).toBe(vm.nr_free_pages);
    expect(types).toMatch(/^ +total\t +256 +1$/m);
  });
});

const KERNEL = ['run', join(ROOT, 'guests/kernel.s'), '--max-insns', '200000'];

describe('umbra stat', () => {
  it('prints vmstat lines, exits and counters, the same each time', () => {
    const args = [
      'stat',
      '-i',
      '1',
      '--',
      'run',
      join(ROOT, 'guests/sort.s'),
      '--host-ram',
      '256K',
      '--max-insns',
      '4000000',
    ];
    const { stdout } = umbra(...args);
    expect(stdout).toMatch(/^procs -+memory-+ /);
    expect(stdout.split('\n').filter((line) => /^ *\d+ +\d+ +\d+ /.test(line)).length).toBeGreaterThan(1);
    expect(stdout).toMatch(
      /\n +VM-EXIT +Samples +Samples% +Time% +Min Time +Max Time +Avg time\n\n +\w+ +\d+ /,
    );
    expect(stdout).toMatch(/\nTotal Samples:\d+, Total events handled time:[\d.]+us\.\n/);
    expect(stdout).toMatch(/\n exits +\d+ +[\d.]+ +\d+\n/);
    expect(umbra(...args).stdout).toBe(stdout);
  });
});

describe('umbra show and umbra vtop', () => {
  it.each([
    [
      ['show', 'tables'],
      /^vaddr +paddr +size +attr\n-+ -+ -+ -+\n0000000080000000 0000000080000000 0000000000200000 rwx-gad\n/,
    ],
    [
      ['show', 'tables', '--style', 'xv6'],
      /^page table 0x[0-9a-f]{16}\n\.\.2: pte 0x[0-9a-f]{16} pa 0x[0-9a-f]{16}\n\.\. \.\.0: pte /,
    ],
    [
      ['show', 'tables', '0x80001000', '--style', 'crash'],
      /^VIRTUAL +PHYSICAL\n80001000 +80001000\n\nPAGE DIRECTORY: \w+\n {3}PGD: \w+ => \w+\n {3}PMD: /,
    ],
    [['show', 'tlb'], /^fetch +0x80000000 -> pfn 0x\w+ +r- \w/],
    [['show', 'pagemap'], /^[0-9a-f]{16} 81[0-9a-f]{14} anon pfn \w+\n/],
    [['vtop', 'hva', '0x3ff4001000'], /^gpa +0x80001000 gfn 0x80001\nhva +0x3ff4001000 pte 0x\w+ /],
    [['vtop', 'gpa', '0x10000000'], /^gpa +0x10000000 gfn 0x10000\nmemslot +none: a device, or nothing\n/],
  ])('%o', (args, text) => {
    const { status, stdout } = umbra(...args, '--', ...KERNEL);
    expect(status).toBe(124);
    expect(stdout).toMatch(text);
  });
});

describe('umbra top', () => {
  it('prints lines where it is no terminal', () => {
    const { stdout } = umbra('top', '-d', '0.05', '--', ...KERNEL);
    expect(stdout).toMatch(
      /^[\d.]+ MIPS {2}resident [\d.]+ \w+ {2}swapped 0 KiB {2}in 0\/s {2}out 0\/s {2}faults [\d,]+ {2}exits [\d,]+\n/,
    );
  });
});

describe('mistakes', () => {
  guest('spin.s', '1: j 1b');

  it.each([
    [['stat'], /what shall be run\? For example: -- run guests\/hello\.s/],
    [['stat', '--', 'mm', 'x'], /mm cannot be observed; what can is: run/],
    [['stat', '-i', '0', '--', ...KERNEL], /'0' is invalid\. It must be a whole number from 1/],
    [['vtop', 'x', '--', ...KERNEL], /what kind of address is 'x'\? It is gva, gpa or hva/],
    [['vtop', 'gva', '--', ...KERNEL], /which gva\? For example/],
    [['vtop', 'gva', '12z', '--', ...KERNEL], /'12z' is no address/],
    [['vtop', 'gva', '1', '--vcpu', '3', '--', ...KERNEL], /there is no vCPU 3/],
    [['show', '--', ...KERNEL], /what is ''\? It can be tables, tlb, smaps, pagemap, page-types/],
    [
      ['show', 'tables', '--style', 'dos', '--', ...KERNEL],
      /'dos' is invalid\. Allowed choices are qemu, xv6, crash/,
    ],
    [['top', '-d', '0', '--', ...KERNEL], /'0' is invalid/],
  ])('%o is answered in one line', (args, message) => {
    const { status, stderr } = umbra(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^umbra: [^\n]*\n$/);
    expect(stderr).toMatch(message);
  });
});
