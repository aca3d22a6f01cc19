// What the hart of one vCPU can do on its own while it is in the guest.
//
// hardware.ts asks before each step of any task. A walk that it could have made when it was last in the guest is offered
// later too, if nothing that it read has changed since: then it makes no difference when it was.

import { type Hart, Speculation } from '../hw/hart/index.ts';
import { Access, type AccessKind } from '../hw/sv39/index.ts';
import { type Vcpu, VcpuMode } from '../kvm/internals.ts';
import type { Task } from '../sched/index.ts';
import { PAGE_SIZE, pageAlignDown } from '../units.ts';
import type { FollowedHart } from './followedHart.ts';
import { type Actor, countCalls, type HardwareAction } from './hardwareAction.ts';
import type { World } from './world.ts';

export class HartActions {
  readonly #world: World;
  readonly #hart: Hart;
  readonly #followed: FollowedHart;
  readonly #speculation: Speculation;
  readonly #actor: Actor;
  readonly #actions = new Map<string, HardwareAction>();
  /** By page: what a walk found when the hart was last in the guest. */
  readonly #seen = new Map<number, number>();
  /** Flushes of its TLB so far. */
  #flushes = 0;

  constructor(world: World, hart: Hart, id: number) {
    this.#world = world;
    this.#hart = hart;
    this.#followed = world.followed[hart.id]!;
    this.#speculation = new Speculation(hart);
    this.#actor = { id, name: `hart${hart.id}`, kind: 'vcpu', object: hart.id };
    countCalls(hart.tlb, ['flushAll', 'flushPage', 'flushRoot', 'flushPaged'], () => {
      this.#flushes++;
    });
  }

  /** A run begins. */
  begin(): void {
    this.#seen.clear();
  }

  /** Before a step that touches the spte at `sptep`: walks that it ends, and a store that would go through it. */
  addWalks(actions: HardwareAction[], sptep: number): void {
    const vcpu = this.#inGuest();
    for (const page of this.#pages()) {
      if (!this.#canFill(page, Access.load) || !this.#speculation.entries.includes(sptep)) continue;
      if (vcpu !== null || this.#seen.get(page) === this.#found()) actions.push(this.#fill(page));
    }
    if (vcpu === null) return;
    const next = this.#nextData();
    if (next === null || !this.#speculation.finds(next.page, next.kind)) return;
    if (!this.#speculation.entries.includes(sptep)) return;
    if (next.kind === Access.store && this.#canFill(next.page, next.kind))
      actions.push(this.#storeWalk(next.page));
    if (this.#canGoOn(vcpu)) actions.push(this.#goOn());
  }

  /** Before a step of its own thread, the last before it leaves the guest. */
  addAtDoor(actions: HardwareAction[], task: Task): void {
    if (task !== this.#followed.thread) return;
    const vcpu = this.#inGuest();
    if (vcpu === null) return;
    this.#seen.clear();
    for (const page of this.#pages())
      if (this.#canFill(page, Access.load)) this.#seen.set(page, this.#found());
    if (this.#canGoOn(vcpu)) actions.push(this.#goOn());
    const next = this.#nextData();
    if (next !== null && this.#evictionTells(next.page)) actions.push(this.#evict(next.page));
  }

  /** Its vCPU, if the hart may be running: entered, and not left since; what it was asked meanwhile it does not know. */
  #inGuest(): Vcpu | null {
    const vcpu = this.#world.vcpuOf(this.#hart.id);
    if (vcpu === null || vcpu.mode === VcpuMode.outsideGuest) return null;
    return this.#followed.isInGuest || vcpu.requests === 0 ? vcpu : null;
  }

  #canFill(page: number, access: AccessKind): boolean {
    return !this.#speculation.isCached(page, access) && this.#speculation.finds(page, access);
  }

  /** What the last walk found, and how often the TLB was flushed by then. */
  #found(): number {
    const leaf = this.#speculation.entries.at(-1)!;
    return this.#flushes * 2 ** 32 + (this.#world.host.memory.i32[leaf >>> 2]! >>> 0);
  }

  /** A walk now would say something else than the entry, or set A again. */
  #evictionTells(page: number): boolean {
    if (!this.#speculation.isCached(page, Access.load)) return false;
    const isThere = this.#speculation.finds(page, Access.load);
    return !isThere || this.#speculation.sets || !this.#speculation.agrees(page);
  }

  /** A kick is on its way, and the next instruction needs nobody's help. */
  #canGoOn(vcpu: Vcpu): boolean {
    if (vcpu.mode !== VcpuMode.exitingGuest || !this.#followed.isKicked) return false;
    const next = this.#nextData();
    if (next === null) return false;
    if (!this.#speculation.finds(pageAlignDown(this.#hart.pc), Access.fetch)) return false;
    return this.#speculation.isCached(next.page, next.kind) || this.#speculation.finds(next.page, next.kind);
  }

  #nextData(): { readonly page: number; readonly kind: AccessKind } | null {
    const access = this.#world.contents.accessAt(this.#hart);
    if (access === null) return null;
    return { page: pageAlignDown(access.address), kind: access.isStore ? Access.store : Access.load };
  }

  /** The pages that a prefetcher may think of: those of guest RAM, or where the guest pages, those that registers point to. */
  #pages(): readonly number[] {
    if (!this.#hart.tlb.dataRegime.paged) return this.#world.ramAddresses;
    return [...new Set(this.#followed.pointers().map(pageAlignDown))];
  }

  #fill(page: number): HardwareAction {
    return this.#action(`fill/${label(page)}`, page, `fills its TLB for page 0x${label(page)} unasked`, () =>
      this.#speculation.fill(page, Access.load),
    );
  }

  #storeWalk(page: number): HardwareAction {
    return this.#action(
      `dirty/${label(page)}`,
      page + 2,
      `walks for its store to page 0x${label(page)}`,
      () => this.#speculation.fill(page, Access.store),
    );
  }

  #evict(page: number): HardwareAction {
    return this.#action(`evict/${label(page)}`, page + 3, `evicts page 0x${label(page)} from its TLB`, () =>
      this.#speculation.evict(page),
    );
  }

  #goOn(): HardwareAction {
    return this.#action('goes-on', 1, 'executes an instruction before its kick arrives', () =>
      this.#followed.execute(1),
    );
  }

  /** One object for each, made when it is needed first. */
  #action(what: string, number: number, text: string, perform: () => void): HardwareAction {
    let action = this.#actions.get(what);
    if (action === undefined) {
      action = { actor: this.#actor, name: `vcpu${this.#hart.id}/${what}`, text, number, perform };
      this.#actions.set(what, action);
    }
    return action;
  }
}

const label = (page: number): string => (page / PAGE_SIZE).toString(16);
