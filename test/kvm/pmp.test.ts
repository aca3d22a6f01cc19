// Guests whose PMP forbids them something, on the whole machine: the same outcome under both MMUs, whoever makes the
// access: the hart, kvm's walk of the guest's tables, its emulation of a store, or an access for which the page is lent.

import { describe, expect, it } from 'vitest';
import {
  checkedProgram,
  DONE,
  MSTATUS_MPP,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  NO_TRAP,
  type Operation,
  type Routine,
} from '../support/checkedProgram.ts';
import { A, D, R, V, W, X } from '../support/sv39Reference.ts';
import { runGuest } from '../vmm/guest.ts';

const PAGE = 4096n;
const REGION = 0x8004_0000n;
const pageAt = (number: number): bigint => REGION + BigInt(number) * PAGE;
const [ROOT, MIDDLE, LEAF] = [pageAt(0), pageAt(1), pageAt(2)];
/** Data pages, each mapped at its own address. */
const [P, Q] = [pageAt(4), pageAt(5)];
const leafOf = (page: bigint): bigint => LEAF + ((page >> 12n) & 511n) * 8n;
const entry = (page: bigint, flags: bigint): bigint => ((page >> 12n) << 10n) | flags;
const RWX = V | R | W | X | A | D;

const S = MSTATUS_MPRV | MSTATUS_MPP.S;
const M = MSTATUS_MPP.M;

const operation = (routine: Routine, a1: bigint, a2: bigint, mstatus: number, outcome = DONE): Operation => ({
  routine,
  a1,
  a2,
  mstatus,
  ...outcome,
});

const set = (address: bigint, value: bigint): Operation => operation('sd', address, value, M);
const loads = (address: bigint, value: bigint, more = 0): Operation =>
  operation('ld', address, 0n, S | more, { cause: NO_TRAP, tval: 0n, result: value });
const stores = (address: bigint, value: bigint): Operation => operation('sd', address, value, S);
/** The operation faults at `tval`. */
const faults = (routine: Routine, address: bigint, cause: bigint, tval = address, more = 0): Operation =>
  operation(routine, address, 0n, S | more, { cause, tval, result: 0n });
/** Fetching at `address` in S mode ends in a trap there. */
const fetches = (address: bigint, cause: bigint, tval: bigint): Operation =>
  operation('fetch', address, 0n, MSTATUS_MPP.S, { cause, tval, result: address });
const fence = operation('fence', 0n, 0n, 0);

const TOR = 1n << 3n;
const NAPOT = 3n << 3n;
const OPEN = 2n ** 54n - 1n;

/** S may do `rights` (1 R, 2 W, 4 X) in [from, to), and all elsewhere. */
const protect = (from: bigint, to: bigint, rights: bigint): Operation[] => [
  operation('pmpaddr0', 0n, from >> 2n, 0),
  operation('pmpaddr1', 0n, to >> 2n, 0),
  operation('pmpaddr2', 0n, OPEN, 0),
  operation('pmpcfg0', 0n, ((TOR | rights) << 8n) | ((NAPOT | 7n) << 16n), 0),
  fence,
];

const ONLY_THE_LAST = (NAPOT | 7n) << 16n;

/** Tables that map the region's pages at their own addresses; P and Q say where they are. */
const boot: readonly Operation[] = [
  set(ROOT + 2n * 8n, entry(MIDDLE, V)),
  set(MIDDLE, entry(LEAF, V)),
  ...[ROOT, MIDDLE, LEAF, P, Q].map((page) => set(leafOf(page), entry(page, RWX))),
  ...[P, Q].flatMap((page) => [0n, 8n, PAGE - 8n].map((offset) => set(page + offset, page + offset))),
  operation('satp', 0n, (8n << 60n) | (ROOT >> 12n), 0),
];

/** An ecall in S mode, and its trap. */
const ECALL = 0x73n;
const CALLED = 9n;

const CASES: Readonly<Record<string, readonly Operation[]>> = {
  'loads, stores and fetches are access faults where they are forbidden': [
    ...protect(P, P + PAGE, 0n),
    faults('ld', P, 5n),
    faults('sd', P, 7n),
    faults('amoadd', P, 7n),
    faults('lrsc', P, 5n),
    fetches(P, 1n, P),
    loads(Q, Q),
    ...protect(P, P + PAGE, 1n),
    loads(P, P),
    faults('sd', P, 7n),
    fetches(P, 1n, P),
  ],
  'permissions of the page table come first': [
    set(leafOf(P), entry(P, V | R | A)),
    ...protect(P, P + PAGE, 0n),
    faults('sd', P, 15n),
    faults('ld', P, 5n),
  ],
  'page tables are read as S mode, and updated so, too': [
    set(leafOf(P), entry(P, V | R | W | X)),
    ...protect(LEAF, LEAF + PAGE, 1n),
    faults('ld', P, 5n),
    faults('sd', P, 7n),
    fetches(P, 1n, P),
    loads(Q, Q),
    ...protect(LEAF, LEAF + PAGE, 0n),
    faults('ld', Q, 5n),
    ...protect(ROOT, ROOT + PAGE, 4n),
    faults('sd', Q, 7n),
    ...protect(0n, 0n, 0n),
    loads(P, P),
    loads(leafOf(P), entry(P, V | R | W | X | A)),
  ],
  'a table entry counts, not its page': [
    ...protect(leafOf(P), leafOf(P) + 8n, 0n),
    faults('ld', P, 5n),
    loads(Q, Q),
    loads(Q + 8n, Q + 8n),
  ],
  'of a page that is split, each access counts': [
    ...protect(P + 8n, P + PAGE, 0n),
    loads(P, P),
    stores(P, 1n),
    loads(P, 1n),
    faults('ld', P + 8n, 5n),
    faults('ld', P + 4n, 5n),
    faults('sd', P + 8n, 7n),
    operation('lrsc', P, 5n, S, { cause: NO_TRAP, tval: 0n, result: 1n }),
    operation('amoadd', P, 5n, S, { cause: NO_TRAP, tval: 0n, result: 5n }),
    loads(P, 10n),
  ],
  'an access across two split pages takes of each what is its own': [
    set(P + PAGE - 8n, 0x1111_1111_1111_1111n),
    set(Q, 0x2222_2222_2222_2222n),
    ...protect(P + 8n, Q - 16n, 0n),
    loads(Q - 4n, 0x2222_2222_1111_1111n),
    ...protect(Q + 16n, Q + 32n, 0n),
    loads(Q - 4n, 0x2222_2222_1111_1111n),
    stores(Q - 4n, 0x4444_4444_3333_3333n),
    loads(Q, 0x2222_2222_4444_4444n),
    ...protect(Q, Q + 8n, 1n),
    faults('sd', Q - 4n, 7n, Q),
    loads(Q - 8n, 0x3333_3333_1111_1111n),
  ],
  'both halves of an instruction are fetched': [
    set(P + 8n, ECALL << 16n),
    ...protect(P, P + 12n, 4n),
    fetches(P + 10n, CALLED, 0n),
    ...protect(P + 12n, P + 16n, 3n),
    fetches(P + 10n, 1n, P + 12n),
    ...protect(P + 8n, P + 12n, 3n),
    fetches(P + 10n, 1n, P + 10n),
  ],
  'X alone is not readable, with MXR neither': [
    set(P, ECALL),
    ...protect(P, P + PAGE, 4n),
    fetches(P, CALLED, 0n),
    faults('ld', P, 5n, P, MSTATUS_MXR),
    set(leafOf(P), entry(P, V | X | A)),
    ...protect(P, P + PAGE, 1n),
    fetches(P, 1n, P),
    loads(P, ECALL, MSTATUS_MXR),
    faults('ld', P, 13n),
    ...protect(P, P + PAGE, 5n),
    fetches(P, CALLED, 0n),
    loads(P, ECALL, MSTATUS_MXR),
  ],
  'a fence does not make readable what the PMP forbids': [
    ...protect(P, P + PAGE, 1n),
    loads(P, P),
    stores(leafOf(P), entry(P, V | X | A)),
    operation('fence_page', P, 0n, 0),
    faults('ld', P, 13n),
    loads(P, P, MSTATUS_MXR),
    fetches(P, 1n, P),
    stores(leafOf(P), entry(P, RWX)),
    operation('fence_page', P, 0n, 0),
    loads(P, P),
    faults('sd', P, 7n),
  ],
  'a store that kvm must perform, because a table begins or ends it': [
    set(leafOf(LEAF - PAGE), entry(MIDDLE, RWX)),
    set(leafOf(LEAF), entry(Q, RWX)),
    loads(P, P),
    ...protect(Q, Q + 8n, 1n),
    // From the end of a table into what is forbidden, and within the table.
    faults('sd', LEAF - 4n, 7n, LEAF),
    stores(LEAF - 16n, 5n),
    loads(LEAF - 16n, 5n),
  ],
  'back and forth between two sets of entries': [
    ...protect(P, P + PAGE, 0n),
    faults('ld', P, 5n),
    stores(leafOf(Q), entry(P, RWX)),
    fence,
    faults('ld', Q, 5n, Q),
    ...protect(0n, 0n, 0n),
    loads(Q, P),
    stores(leafOf(Q), entry(Q, RWX)),
    fence,
    loads(Q, Q),
    ...protect(P, P + PAGE, 0n),
    loads(Q, Q),
    faults('ld', P, 5n),
  ],
  'a fence is good under every set of entries': [
    loads(Q, Q),
    ...protect(0n, P, 0n).filter(({ routine }) => routine !== 'pmpcfg0'),
    operation('pmpcfg0', 0n, ONLY_THE_LAST, 0),
    loads(Q, Q),
    ...protect(0n, PAGE, 0n),
    stores(leafOf(Q), entry(P, RWX)),
    fence,
    loads(Q, P),
    operation('pmpcfg0', 0n, ONLY_THE_LAST, 0),
    loads(Q, P),
  ],
};

describe.each(['shadow', 'tdp'] as const)('%s', (mmu) => {
  it.each(Object.entries(CASES))('%s', (_, operations) => {
    const program = checkedProgram([...boot, ...operations]);
    for (const hostRamBytes of [2 ** 20, 128 * 2 ** 10]) {
      const { stop } = runGuest(program.source, { mmu, hostRamBytes });
      const wrong = stop.code === 0 ? null : program.operations[stop.code - 1];
      expect({ crash: stop.crash, wrong }).toEqual({ crash: null, wrong: null });
    }
  });
});
