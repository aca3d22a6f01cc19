// What one host CPU can do on its own while it has the process's tables loaded: fill its TLB by speculation, and evict.
//
// hardware.ts asks before each step of any task. Stores are the process's own: D is never set unasked.

import type { CpuTlb } from '../hw/tlb/index.ts';
import type { Mm } from '../mm/index.ts';
import { type Hva, PAGE_SIZE } from '../units.ts';
import type { Actor, HardwareAction } from './hardwareAction.ts';
import type { World } from './world.ts';

export class CpuActions {
  readonly #world: World;
  readonly #cpu: number;
  readonly #tlb: CpuTlb;
  /** By page of guest RAM. */
  readonly #fills: readonly HardwareAction[];
  readonly #evictions: readonly HardwareAction[];

  constructor(world: World, cpu: number, id: number) {
    this.#world = world;
    this.#cpu = cpu;
    this.#tlb = world.host.cpus[cpu]!.tlb;
    const actor: Actor = { id, name: `cpu${cpu}`, kind: 'tlb', object: cpu };
    const pages = [...world.ramAddresses.keys()];
    this.#fills = pages.map((page) => ({
      actor,
      name: `cpu${cpu}/fill/${page}`,
      text: `fills its TLB for page ${page} of guest RAM unasked`,
      number: page * 2,
      perform: () => world.fillCpu(cpu, page),
    }));
    this.#evictions = pages.map((page) => ({
      actor,
      name: `cpu${cpu}/evict/${page}`,
      text: `evicts page ${page} of guest RAM from its TLB`,
      number: page * 2 + 1,
      perform: () => this.#evict(world.mm, world.hva(page)),
    }));
  }

  /** Before a step that touches the PTE at `ptep`: the walks that it ends. */
  addWalks(actions: HardwareAction[], ptep: number): void {
    const mm = this.#world.loadedOn(this.#cpu);
    if (mm === null) return;
    for (const [page, fill] of this.#fills.entries()) {
      const address = this.#world.hva(page);
      if (this.#tlb.isCached(mm.id, address) || !this.#tlb.peek(mm.root, address)) continue;
      if (this.#tlb.peeked.entries.includes(ptep)) actions.push(fill);
    }
  }

  /** Before a step that uses the TLB: where a walk now would say something else than the entry, or set A again. */
  addEvictions(actions: HardwareAction[]): void {
    const mm = this.#world.loadedOn(this.#cpu);
    if (mm === null) return;
    for (const [page, evict] of this.#evictions.entries()) {
      const address = this.#world.hva(page);
      if (!this.#tlb.isCached(mm.id, address)) continue;
      const isThere = this.#tlb.peek(mm.root, address);
      if (!isThere || this.#tlb.peeked.sets || !this.#tlb.agrees(address)) actions.push(evict);
    }
  }

  #evict(mm: Mm, address: Hva): void {
    this.#tlb.flushRange(mm.id, address, (address + PAGE_SIZE) as Hva);
  }
}
