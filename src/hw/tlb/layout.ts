// The first-level TLB's layout, which translated code inlines: direct-mapped entries in the device area.
//
// Written by firstLevel.ts alone; read by the interpreter and by translated code on every access.
//
//     data entry, 32 bytes    +0 read tag i64   +8 write tag i64   +16 addend i32   +20 info i32   +24 unused
//     fetch entry, 16 bytes   +0 fetch tag i64                     +8  addend i32   +12 info i32
//
// A tag is va & ~4095; -1 is invalid, and no masked address equals it. Entry index: (va >>> 12) & (entries - 1).
// Hit: tag === (va & (-4096 + size - 1)), so a misaligned access never hits. Host byte address: low32(va) + addend
// modulo 2^32.
//
// A TLB's contexts stand behind the number of times that one was made the current one (i64 at +0 of 64 bytes).
//
// A context's tables, first data, then fetches, stand behind a header, which says what its regimes' walks need:
//
//     data at +0, fetches at +640    +0   stages i32 (Stages)                 +8   root of stage one, or the only one, i64
//                                    +4   root of the second stage i32        +16  some entry is a fragment, i32
//                                    +20  bit c: some entry of chunk c may be valid (chunkShift())
//                                    +24  in the data half: when the context became current last, in such times, i64
//                                    +32  1 + ASID where there is a stage one, i32; 0 where there is none
//                                    +128 what a leaf permits there: info by the low byte of the leaf (permits.ts)
//                                    +384 the same of a leaf of the second stage, where there is one
//
// Behind a context's tables are its page caches, which belong to the translated code that runs (hw/hart/translate):
//
//     page cache, 16 bytes    +0 page address i64, or -1                       +8  addend i32   +12 unused

export const DTLB_ENTRY_BYTES = 32;
export const DTLB_READ_TAG = 0;
export const DTLB_WRITE_TAG = 8;
export const DTLB_ADDEND = 16;
export const DTLB_INFO = 20;

export const ITLB_ENTRY_BYTES = 16;
export const ITLB_TAG = 0;
export const ITLB_ADDEND = 8;
export const ITLB_INFO = 12;

/** info: level of the leaf that the entry is a fragment of, and what it permits. */
export const INFO_LEVEL = 3;
export const INFO_READ = 4;
/** W and D: the write tag may still be absent, because the frame holds code. */
export const INFO_WRITE = 8;
export const INFO_EXECUTE = 16;

export const TLB_HEADER_BYTES = 64;
export const CONTEXT_HEADER_BYTES = 1280;
/** From the context's first byte. */
export const HEADER_OF_DATA = 0;
export const HEADER_OF_FETCHES = 640;
/** From the header's half. */
export const HEADER_STAGES = 0;
export const HEADER_SECOND_STAGE = 4;
export const HEADER_ROOT = 8;
export const HEADER_FRAGMENTS = 16;
export const HEADER_CHUNKS = 20;
export const HEADER_LAST_USE = 24;
export const HEADER_SPACE = 32;
export const HEADER_PERMITS = 128;
export const HEADER_SECOND_PERMITS = 384;

/** A table is 32 chunks, or as many as it has entries: entry e is in chunk e >>> chunkShift(entries). */
export const chunkShift = (entries: number): number => Math.max(0, Math.log2(entries) - 5);

/** All that a leaf permits depends on its low byte. */
export const LEAF_KINDS = 256;

/** Which tables an address goes through; none: no entry can be refilled by a plain walk. */
export const Stages = { none: 0, first: 1, second: 2, both: 3 } as const;

export interface TlbGeometry {
  /** Context slots: address spaces and privileges that are kept at the same time; at least 1. */
  readonly contexts: number;
  /** Data entries of a context: a power of two, at least 16. */
  readonly dtlbEntries: number;
  /** Fetch entries of a context: a power of two, at least 16. */
  readonly itlbEntries: number;
  /** Translations in the second level, over all contexts; 0: no second level. */
  readonly l2Entries: number;
}

export const DEFAULT_TLB: TlbGeometry = {
  contexts: 16,
  dtlbEntries: 4096,
  itlbEntries: 256,
  l2Entries: 8192,
};

export const PAGE_CACHES = 16;
export const PAGE_CACHE_BYTES = 16;
export const PAGE_CACHE_PAGE = 0;
export const PAGE_CACHE_ADDEND = 8;

/** From a context's data table to its page caches. */
export const pageCachesOffset = (g: TlbGeometry): number =>
  g.dtlbEntries * DTLB_ENTRY_BYTES + g.itlbEntries * ITLB_ENTRY_BYTES;

/** Device-area bytes of one context slot. */
export const contextBytes = (g: TlbGeometry): number =>
  CONTEXT_HEADER_BYTES + pageCachesOffset(g) + PAGE_CACHES * PAGE_CACHE_BYTES;

/** Device-area bytes of one TLB. */
export const tlbBytes = (g: TlbGeometry): number => TLB_HEADER_BYTES + g.contexts * contextBytes(g);
