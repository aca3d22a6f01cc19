// What guest memory must hold: the last value that was written to each byte, by whoever wrote it last (I2, I3).
//
// The world tells it what devices write; each vCPU's loads and stores are read off the instruction that the hart
// executed, since an instruction is one step. A load must give what this memory holds, and at the end of a run every
// page must, in its frame, on the swap device or wherever the host keeps it.
//
// A guest with page tables of its own may reach any page that they gave it since its last fence (guestPaging.ts). Invariant: rewind() makes it
// what it was at mark(), like everything else that a run changes.

import type { Hart } from '../hw/hart/index.ts';
import { DECODED_WORDS, decode, Op, opOf, rdOf, rs1Of, rs2Of } from '../hw/isa/index.ts';
import { inspectFilePage, inspectPage, inspectPte, isPresentPte } from '../mm/internals.ts';
import { fromWords, hex, PAGE_SIZE } from '../units.ts';
import { type GuestPaging, GuestTables } from './guestPaging.ts';
import type { World } from './world.ts';

interface Access {
  readonly op: number;
  readonly bytes: number;
  readonly isLoad: boolean;
  readonly isStore: boolean;
}

const shape = (op: number, bytes: number, isLoad: boolean, isStore: boolean): [number, Access] => [
  op,
  { op, bytes, isLoad, isStore },
];

/** The instructions that exploration follows. */
const ACCESSES = new Map<number, Access>([
  shape(Op.lbu, 1, true, false),
  shape(Op.lwu, 4, true, false),
  shape(Op.ld, 8, true, false),
  shape(Op.sb, 1, false, true),
  shape(Op.sw, 4, false, true),
  shape(Op.sd, 8, false, true),
  shape(Op.amoadd_d, 8, true, true),
  shape(Op.amoswap_d, 8, true, true),
  shape(Op.lr_d, 8, true, false),
  shape(Op.sc_d, 8, false, true),
]);
/** They have no offset. */
const ATOMIC: readonly number[] = [Op.amoadd_d, Op.amoswap_d, Op.lr_d, Op.sc_d];

/** sfence.vma, and the address of one that is of all. */
const FENCE: Access = { op: Op.sfence_vma, bytes: 0, isLoad: false, isStore: false };
const EVERYWHERE = Number.NaN;

/** The access that a vCPU is about to make. */
interface Pending {
  readonly access: Access;
  /** As the guest calls it. */
  readonly address: number;
  readonly value: bigint;
  readonly rd: number;
  /** Instructions that had retired. */
  readonly retired: number;
}

export class GuestContents {
  readonly #world: World;
  readonly #expected: DataView;
  readonly #decoded = new Int32Array(DECODED_WORDS);
  readonly #pending: (Pending | null)[] = [];
  /** Bytes changed since the mark, newest last: address in RAM and the eight bytes that were there. */
  readonly #log: { readonly at: number; readonly old: bigint }[] = [];
  readonly #tables: GuestTables | null;
  #isMarked = false;

  constructor(world: World, paging: GuestPaging | null) {
    this.#world = world;
    this.#tables =
      paging && new GuestTables(paging, world.vm.vcpus, (address) => this.#get(world.offsetOf(address), 8));
    this.#expected = new DataView(new ArrayBuffer(world.vm.ramPages * PAGE_SIZE + 8));
  }

  mark(): void {
    this.#isMarked = true;
    this.#log.length = 0;
    this.#tables?.begin();
  }

  rewind(): void {
    for (let last = this.#log.pop(); last !== undefined; last = this.#log.pop())
      this.#expected.setBigUint64(last.at, last.old, true);
    this.#pending.length = 0;
    this.#tables?.begin();
  }

  /** A device wrote `bytes` at guest physical `address`. */
  written(address: number, bytes: Uint8Array): void {
    for (const [i, byte] of bytes.entries()) this.#put(this.#world.offsetOf(address) + i, 1, BigInt(byte));
    this.#tables?.changed();
  }

  /** The data access of the instruction that the hart is about to execute, at what the guest calls `address`; null: none. */
  accessAt(hart: Hart): { readonly address: number; readonly isStore: boolean } | null {
    const access = this.#decode(hart);
    if (access === null || access === FENCE) return null;
    return { address: this.#addressOf(hart, access), isStore: access.isStore };
  }

  /** The hart is about to execute the instruction at its pc. */
  before(hart: Hart): void {
    const access = this.#decode(hart);
    if (access === null) {
      this.#pending[hart.id] = null;
      return;
    }
    const w = this.#decoded[0]!;
    const address = this.#addressOf(hart, access);
    const value = register(hart, rs2Of(w));
    this.#pending[hart.id] = { access, address, value, rd: rdOf(w), retired: hart.retired };
  }

  #decode(hart: Hart): Access | null {
    decode(this.#world.code.instructionAt(hart.pc), this.#decoded, 0);
    const op = opOf(this.#decoded[0]!);
    return op === Op.sfence_vma ? FENCE : (ACCESSES.get(op) ?? null);
  }

  /** Of the instruction that #decode() has decoded. */
  #addressOf(hart: Hart, access: Access): number {
    const [w, imm] = this.#decoded as unknown as [number, number];
    const base = fromWords(hart.block[rs1Of(w) * 2]!, hart.block[rs1Of(w) * 2 + 1]!);
    if (access === FENCE) return rs1Of(w) === 0 ? EVERYWHERE : base;
    return base + (ATOMIC.includes(access.op) ? 0 : imm);
  }

  /** The hart has run since before(); nothing happens unless the instruction retired. */
  after(hart: Hart): void {
    const pending = this.#pending[hart.id] ?? null;
    if (pending === null || hart.retired === pending.retired) return;
    this.#pending[hart.id] = null;
    const { access, address, value } = pending;
    if (access === FENCE) this.#tables?.fence(hart.id, Number.isNaN(address) ? null : address);
    else this.#retired(hart, pending, value);
  }
  /** The access was made, at one of the places that the guest's tables have led to since the hart's last fence. */
  #retired(hart: Hart, { access, address, rd }: Pending, value: bigint): void {
    const reachable = this.#tables?.reachable(hart.id, address, access.isStore) ?? [address];
    const places = reachable.map((place) => this.#world.offsetOf(place));
    if (places.length === 0) {
      this.#neverPermitted(hart, address);
      return;
    }
    // It stored nothing.
    if (access.op === Op.sc_d && register(hart, rd) !== 0n) return;
    if (access.isStore) {
      const at = places.length === 1 ? places[0]! : this.#whereStored(places, access.bytes, value);
      const old = this.#get(at, access.bytes);
      if (access.isLoad) this.#checkLoad(`vcpu ${hart.id}`, register(hart, rd), old, address);
      const next = access.op === Op.amoadd_d ? old + value : value;
      this.#put(at, access.bytes, BigInt.asUintN(access.bytes * 8, next));
      this.#tables?.changed();
      return;
    }
    const loaded = register(hart, rd);
    const known = places.map((at) => this.#get(at, access.bytes));
    if (!known.includes(loaded)) this.#checkLoad(`vcpu ${hart.id}`, loaded, known[0]!, address);
  }

  #neverPermitted({ id }: Hart, address: number): void {
    const message = `vcpu ${id} accessed ${hex(address)}, which its tables have not permitted since its last fence`;
    this.#world.oracle.report('I10', message);
  }

  /** Which of several places the hart has stored to: the one that really holds the value now. */
  #whereStored(places: readonly number[], bytes: number, value: bigint): number {
    const page = new Uint8Array(PAGE_SIZE);
    const found = places.find((at) => {
      if (!this.#inspect(Math.floor(at / PAGE_SIZE), page)) return false;
      const word = wordOf(page, (at % PAGE_SIZE) & ~7) >> BigInt((at & 7) * 8);
      return BigInt.asUintN(bytes * 8, word) === BigInt.asUintN(bytes * 8, value);
    });
    return found ?? places[0]!;
  }

  /** A task loaded `value` from guest physical `address` in the step that is under way. */
  read64(who: string, address: number, value: bigint): void {
    this.#checkLoad(who, value, this.#get(this.#world.offsetOf(address), 8), address);
  }

  #checkLoad(who: string, loaded: bigint, expected: bigint, address: number): void {
    if (loaded === expected) return;
    this.#world.oracle.report(
      'I2',
      `${who} loaded ${hexOf(loaded)} from ${hex(address)}, but ${hexOf(expected)} was stored there last`,
    );
  }

  /** At the end of a run: every page of RAM but `lost` ones holds what was stored to it. */
  checkPages(lost: readonly number[]): void {
    const { vm, oracle } = this.#world;
    const page = new Uint8Array(PAGE_SIZE);
    for (let number = 0; number < vm.ramPages; number++) {
      if (lost.includes(number)) continue;
      const expected = new Uint8Array(this.#expected.buffer, number * PAGE_SIZE, PAGE_SIZE);
      if (!this.#inspect(number, page)) page.fill(0);
      if (Buffer.compare(page, expected) === 0) continue;
      const at = page.findIndex((byte, i) => byte !== expected[i]) & ~7;
      const address = hex(this.#world.page(number) + at);
      oracle.report(
        'I3',
        `the store of ${hexOf(wordOf(expected, at))} to ${address} is lost: ${hexOf(wordOf(page, at))} is there`,
      );
    }
  }

  #inspect(number: number, into: Uint8Array): boolean {
    const { mm, vm } = this.#world;
    const pte = inspectPte(mm, this.#world.hva(number));
    if (vm.ram === 'anonymous' || isPresentPte(pte)) return inspectPage(mm, pte, into);
    return inspectFilePage(this.#world.file.mapping, number, into);
  }

  #get(at: number, bytes: number): bigint {
    return BigInt.asUintN(bytes * 8, this.#expected.getBigUint64(at, true));
  }

  #put(at: number, bytes: number, value: bigint): void {
    const old = this.#expected.getBigUint64(at, true);
    if (this.#isMarked) this.#log.push({ at, old });
    const kept = (old >> BigInt(bytes * 8)) << BigInt(bytes * 8);
    this.#expected.setBigUint64(at, bytes === 8 ? value : kept | value, true);
  }
}

const register = (hart: Hart, x: number): bigint =>
  BigInt.asUintN(64, (BigInt(hart.block[x * 2 + 1]!) << 32n) | BigInt(hart.block[x * 2]! >>> 0));

const wordOf = (bytes: Uint8Array, at: number): bigint =>
  new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);

const hexOf = (value: bigint): string => `0x${value.toString(16)}`;
