// A run recorded: what the report says is what the machine counted, and looking changed nothing.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { assemble, Digest, MemorySwapDevice, readProgram } from '../../src/index.ts';
import { createMachine, MACHINE_DEFAULTS, type Machine } from '../../src/machine.ts';
import { pageOf, RunRecorder } from '../../src/report/index.ts';

const GUEST = join(import.meta.dirname, '../../guests/sort.s');
const MIB = 2 ** 20;

function newMachine(): Machine {
  const image = readProgram(assemble(readFileSync(GUEST, 'utf8'), { file: GUEST }).elf, GUEST, 4 * MIB);
  return createMachine({
    ...MACHINE_DEFAULTS,
    image,
    ramBytes: 4 * MIB,
    hostRamBytes: MIB / 2,
    maxInstructions: 5_000_000,
    swap: new MemorySwapDevice(1024),
    swapBackend: 'memory',
  });
}

function stateAfter(machine: Machine): string {
  while (machine.runSlice(() => true) === 'running');
  const digest = new Digest();
  machine.finalState((bytes) => digest.addBytes(bytes));
  return digest.finish();
}

const machine = newMachine();
const recorder = new RunRecorder(machine);
const state = stateAfter(machine);
const record = recorder.finish();
const statistics = machine.statistics();
const sum = (counts: readonly number[] = []): number => counts.reduce((a, b) => a + b, 0);

describe('a run that is recorded', () => {
  it('is the run that it is without', () => {
    const other = newMachine();
    expect(stateAfter(other)).toBe(state);
    expect(other.statistics()).toEqual(statistics);
  });

  it('gives an equal record again', () => {
    const other = newMachine();
    const again = new RunRecorder(other);
    stateAfter(other);
    expect(again.finish()).toEqual(record);
  });

  it('has in its columns all that was counted', () => {
    const { vm, notifier, kvm } = statistics;
    expect(sum(record.work.pswpout)).toBe(vm.pswpout);
    expect(sum(record.work.pswpin)).toBe(vm.pswpin);
    expect(sum(record.work.faults)).toBe(kvm.pf_taken);
    expect(sum(record.work.instructions)).toBe(machine.instructions);
    expect(sum(record.notifier.MMU_NOTIFY_CLEAR)).toBe(notifier.invalidate_range_start);
    expect(sum(record.notifier.clear_flush_young)).toBe(notifier.clear_flush_young);
    expect(sum(Object.values(record.exits).flat())).toBe(kvm.exits);
    expect(vm.pswpin).toBeGreaterThan(100);
  });

  it('has a heat map that ends with what is in memory and in swap', () => {
    const { heat, levels } = record;
    expect(sum(heat.resident.at(-1))).toBe(statistics.vm.nr_anon_pages);
    expect(levels.swap!.at(-1)).toBe(statistics.swap.bytes / 4096);
    expect(sum(heat.faults.flat())).toBeGreaterThanOrEqual(statistics.kvm.pf_fixed!);
  });

  it('knows each page’s life: what came back from swap had gone there', () => {
    const kinds = record.lives.map(({ events }) => events.filter((_, i) => i % 3 === 1));
    const [unmapped, read] = [3, 5];
    expect(kinds.some((events) => events.includes(read))).toBe(true);
    for (const events of kinds) {
      if (events.includes(read)) expect(events.indexOf(unmapped)).toBeLessThan(events.indexOf(read));
    }
  });
});

describe('the page', () => {
  const facts = {
    title: '</title><b>',
    verdict: 'pass </script>',
    end: 'well' as const,
    command: 'umbra run',
    figures: [],
    ramBase: 0x80000000,
    hostBytes: MIB,
    counters: {},
  };
  const page = pageOf(facts, record);

  it('needs nothing else, and says so to the browser', () => {
    expect(page).toContain(
      `content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"`,
    );
    expect(page).not.toMatch(/\b(?:src|href)=/);
    expect(page).not.toContain('<!-- ');
    expect(page.length).toBeLessThan(MIB);
  });

  it('holds the record, and no text of the run becomes markup', () => {
    expect(page).toContain('<title>&lt;/title&gt;&lt;b&gt;</title>');
    const [, data] = /id="data">(.*?)<\/script>/s.exec(page)!;
    expect(JSON.parse(data!)).toMatchObject({ verdict: 'pass </script>', edges: record.edges });
  });

  it('has a script that parses, with every module in it', () => {
    const [, script] = /<script>(.*)<\/script>/s.exec(page)!;
    new Script(script!);
    expect(script).not.toMatch(/^(?:import|export) /m);
  });
});
