// What a hart is made of: its part of the host's hardware, and which processor it is to be.

import { DEFAULT_TLB, type TlbDomain, type TlbGeometry, tlbBytes } from '../tlb/index.ts';
import { BLOCK_BYTES } from './block.ts';
import type { StaleHit } from './checker.ts';
import type { CodeCache } from './codeCache.ts';

export type MmuKind = 'shadow' | 'tdp';
/** A and D of the guest's tables: always set by hardware, never, or as menvcfg.ADUE says (Svadu). */
export type AdScheme = 'hardware' | 'svade' | 'svadu';

export interface HartOptions {
  /** The TLBs and decoded code of the host; both over the same memory. */
  readonly domain: TlbDomain;
  readonly code: CodeCache;
  /** mhartid. */
  readonly id: number;
  readonly mmu: MmuKind;
  readonly ad: AdScheme;
  readonly tlb?: TlbGeometry;
  /** Walks again on every TLB hit and reports those that the tables no longer support; never with a translator. */
  readonly onStaleHit?: (hit: StaleHit) => void;
}

/** Device-area bytes that one hart takes; a translator takes more. */
export const hartDeviceBytes = (tlb: TlbGeometry = DEFAULT_TLB): number => BLOCK_BYTES + tlbBytes(tlb) + 4096;
