// Groups: accesses of one block that a single look in the data TLB decides, since they lie in one page.
//
// Called by emitter.ts. Compiled code saves and restores registers and works on records: neighbouring loads and stores
// off a register that does not change between them. A segment is the stretch of a block that some groups span; it is
// emitted twice, once for when each of its groups lies in a page that the TLB has, each access being then a single
// instruction, and once with a look per access.
//
// Invariants: all members of a group use the same value of the base register, which holds at the segment's start too. A
// segment that passes its check would have hit at every member, so that fills are the interpreter's all the same.

import { lengthOf, Op, opOf, rdOf, rs1Of } from '../../isa/index.ts';
import { accessBytes } from './access.ts';
import type { Block } from './region.ts';
import { MAX_GROUPS } from './regionCode.ts';

/** Bytes that a group may span: the less, the more seldom it lies in two pages. */
const MAX_SPAN = 1024;

export interface AccessGroup {
  /** The register that all members add their immediate to. */
  readonly base: number;
  /** From the register's value to the group's first byte: aligned as `align` says when its members are. */
  readonly low: number;
  /** Bytes from there to the end of the last member. */
  readonly bytes: number;
  /** Alignment of the first byte that makes every member aligned. */
  readonly align: number;
  /** Whether a member is a store: W permission implies R. */
  readonly stores: boolean;
}

export interface Member {
  /** Index of the group in its segment. */
  readonly group: number;
  /** Bytes from the group's first to the member's. */
  readonly displacement: number;
}

export interface Segment {
  /** Page offsets of the first member and of the last. */
  readonly start: number;
  readonly last: number;
  readonly groups: readonly AccessGroup[];
  /** By page offset. */
  readonly members: ReadonlyMap<number, Member>;
}

interface Access {
  readonly at: number;
  readonly imm: number;
  readonly bytes: number;
  readonly isStore: boolean;
}

/** Accesses off one value of a register, in the order of the code; the widest of them says how all must be aligned. */
interface Draft {
  readonly base: number;
  readonly accesses: Access[];
  widest: Access;
}

/** The segments of a block, in the order of the code. */
export function segmentsOf(words: Int32Array, block: Block): Segment[] {
  const drafts = collect(words, block).filter(({ accesses }) => accesses.length > 1);
  const segments: Segment[] = [];
  for (let i = 0; i < drafts.length; ) {
    const together = [drafts[i]!];
    const start = firstOf(drafts[i]!);
    let last = lastOf(drafts[i]!);
    for (i++; i < drafts.length && firstOf(drafts[i]!) <= last; i++) {
      const draft = drafts[i]!;
      if (together.length === MAX_GROUPS || isWritten(words, draft.base, start, firstOf(draft))) continue;
      together.push(draft);
      last = Math.max(last, lastOf(draft));
    }
    segments.push(segmentOf(start, last, together));
  }
  return segments;
}

const firstOf = ({ accesses }: Draft): number => accesses[0]!.at;
const lastOf = ({ accesses }: Draft): number => accesses[accesses.length - 1]!.at;

/** In the order of their first accesses. */
function collect(words: Int32Array, block: Block): Draft[] {
  const drafts: Draft[] = [];
  const open = new Map<number, Draft>();
  for (let at = block.start; at < block.last; at += lengthOf(words[at]!)) {
    const word = words[at]!;
    const bytes = accessBytes(opOf(word));
    const base = rs1Of(word);
    if (bytes > 0 && base !== 0) {
      const access = { at, imm: words[at + 1]!, bytes, isStore: opOf(word) >= Op.sb };
      const draft = open.get(base);
      if (draft === undefined) {
        const fresh = { base, accesses: [access], widest: access };
        open.set(base, fresh);
        drafts.push(fresh);
      } else {
        join(draft, access);
      }
    }
    open.delete(rdOf(word));
  }
  return drafts;
}

/** Adds an access to a draft if the alignment of one then follows from that of the other, and it is near. */
function join(draft: Draft, access: Access): void {
  const widest = access.bytes > draft.widest.bytes ? access : draft.widest;
  const all = [...draft.accesses, access];
  if (all.some(({ imm, bytes }) => (imm - widest.imm) % bytes !== 0)) return;
  const low = Math.min(...all.map(({ imm }) => imm));
  if (Math.max(...all.map(({ imm, bytes }) => imm + bytes)) - low > MAX_SPAN) return;
  draft.accesses.push(access);
  draft.widest = widest;
}

function isWritten(words: Int32Array, register: number, from: number, to: number): boolean {
  for (let at = from; at < to; at += lengthOf(words[at]!)) {
    if (rdOf(words[at]!) === register) return true;
  }
  return false;
}

function segmentOf(start: number, last: number, drafts: readonly Draft[]): Segment {
  const groups = drafts.map(groupOf);
  const members = new Map<number, Member>();
  drafts.forEach(({ accesses }, group) => {
    for (const { at, imm } of accesses) members.set(at, { group, displacement: imm - groups[group]!.low });
  });
  return { start, last, groups, members };
}

function groupOf({ base, accesses, widest }: Draft): AccessGroup {
  const align = widest.bytes;
  const least = Math.min(...accesses.map(({ imm }) => imm));
  const low = least - ((((least - widest.imm) % align) + align) % align);
  const end = Math.max(...accesses.map(({ imm, bytes }) => imm + bytes));
  return { base, low, bytes: end - low, align, stores: accesses.some(({ isStore }) => isStore) };
}
