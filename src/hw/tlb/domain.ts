// The TLBs over one physical memory, and the rule that keeps code and stores apart: a frame that a hart has fetched from
// has no write tag in any first-level TLB, so that every store to it takes the slow path, which tells the code cache.
//
// One per host, made with its PhysicalMemory; each TLB joins it when it is built.
//
// Invariant: no write tag of any member maps a frame that has code.

import type { Pfn } from '../../units.ts';
import { Fact, type PhysicalMemory } from '../memory/index.ts';

/** What a member must be able to do. */
export interface WriteTags {
  /** Drops every write tag that maps `pfn`. */
  revokeWrites(pfn: Pfn): void;
}

export class TlbDomain {
  readonly memory: PhysicalMemory;
  private readonly members: WriteTags[] = [];

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  join(member: WriteTags): void {
    this.members.push(member);
  }

  /** A write tag for `pfn` is about to be filled; false when the frame holds code and must not have one. */
  allowWriteTag(pfn: Pfn): boolean {
    if (this.memory.is(Fact.hasCode, pfn)) return false;
    this.memory.note(Fact.mayBeWritten, pfn, true);
    return true;
  }

  /** A fetch entry for `pfn` is about to be filled. */
  markCode(pfn: Pfn): void {
    this.memory.note(Fact.hasCode, pfn, true);
    // Spares the scan for frames that were never stored to.
    if (!this.memory.is(Fact.mayBeWritten, pfn)) return;
    for (const member of this.members) member.revokeWrites(pfn);
    this.memory.note(Fact.mayBeWritten, pfn, false);
  }
}
