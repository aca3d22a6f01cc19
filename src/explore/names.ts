// Names for what runs change: "kvm.mmuInvalidateSeq", "frames.refcount[9]", "pte 0x44fe8".
//
// A look once over the objects that a scenario's world is made of. What has no name is some task's own and of no
// interest.

import type { Change } from '../journal/index.ts';
import { Marked, type PointKind } from '../sched/index.ts';
import { hex, PAGE_SIZE } from '../units.ts';
import type { World } from './world.ts';

/** Book-keeping that says nothing about a race: counters, and what a hart notes about its own instruction. */
const DULL_PROPERTY =
  /^(atomicDepth|srcuDepth|rcuDepth|awaited|waitingFor|waiters|exitReason|peakSlots|peakPages)$/;
const DULL_OWNER = /^(hart\d+\b|vcpu\d+\.(stats|exits|run)|kvm\.stats|host\.vmstat)/;
const PRIVATE = /^\$[A-Za-z]\w*?_/;

export class NameBook {
  readonly #names = new Map<object, string>();
  readonly #memory: ArrayBufferLike;
  /** Where page frames begin, in bytes. */
  readonly #firstFrame: number;
  readonly #locks = new Map<number, string>();

  constructor({ host, vmOrNull, mm }: World) {
    this.#memory = host.memory.i32.buffer;
    this.#firstFrame = host.memory.firstPfn * PAGE_SIZE;
    this.#add(host, 'host');
    if (vmOrNull !== null) this.#add(vmOrNull, 'kvm');
    this.#add(mm, 'mm');
    for (const [name, room] of Object.entries({
      frames: host.frames,
      zone: host.zone,
      lruvec: host.lruvec,
      swap: host.swap,
    })) {
      if (room !== null) this.#add(room, name);
    }
    for (const vcpu of vmOrNull?.vcpus ?? []) this.#add(vcpu, `vcpu${vcpu.index}`);
    for (const vcpu of vmOrNull?.vcpus ?? []) this.#add(vcpu.hart, `hart${vcpu.index}`);
    for (const cpu of host.cpus) this.#add(cpu, `cpu${cpu.index}`);
  }

  #add(object: object, name: string): void {
    this.#names.set(object, name);
    for (const [key, value] of Object.entries(object)) {
      if (typeof value !== 'object' || value === null || this.#names.has(value)) continue;
      const inner = `${name}.${key.replace(PRIVATE, '')}`;
      this.#names.set(value, inner);
      this.#addLock(value, inner);
    }
    this.#addLock(object, name);
  }

  #addLock(object: object, name: string): void {
    const { id, lockClass } = object as {
      readonly id?: unknown;
      readonly lockClass?: { readonly name: string };
    };
    if (typeof id !== 'number') return;
    this.#locks.set(id, lockClass?.name ?? name);
  }

  /** The object of a point. */
  object(kind: PointKind, object: number): string {
    if (kind === 'pte' || kind === 'spte') return hex(object);
    if (kind === 'page' || kind === 'slot' || kind === 'tlb' || kind === 'vcpu') return String(object);
    return this.#locks.get(object) ?? `#${object}`;
  }

  /** What was changed; null: nothing that tells. */
  place({ target, key, what }: Change): string | null {
    if (what !== 'property' && target.buffer === this.#memory) {
      const address = target.byteOffset + key * target.BYTES_PER_ELEMENT;
      // Below are the harts' own registers and TLBs.
      return address < this.#firstFrame ? null : `[${hex(address)}]`;
    }
    const owner = this.#names.get(target);
    if (owner === undefined || DULL_OWNER.test(owner)) return null;
    if (target instanceof Marked) return String(key).replace(PRIVATE, '') === 'value' ? owner : null;
    if (what === 'element') return `${owner}[${String(key)}]`;
    const property = String(key).replace(PRIVATE, '');
    return DULL_PROPERTY.test(property) ? null : `${owner}.${property}`;
  }
}
