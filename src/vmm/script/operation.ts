// What a line of a script asks for: the operations of `umbra mm`, as data.
//
// parser.ts makes them, runner.ts carries them out, record.ts prints what came of them. Pages count from the start of the
// window, offsets are bytes in the page, `offset` of mmap is in pages of the file.
//
// Invariant: whatever the parser lets through can be carried out: pages lie in the window, children exist.

export const WINDOW_PAGES = 64;
/** Where the window starts in every process. */
export const WINDOW_START = 0x100000000;
/** Each file has so many pages, at first. */
export const FILE_PAGES = 16;

/** Page `page` of file 0 or 1 is filled with this byte at first. */
export const initialByte = (file: FileIndex, page: number): number => (file === 0 ? 1 : 129) + page;

export type FileIndex = 0 | 1;
/** Null: anonymous. */
export interface MappedObject {
  readonly file: FileIndex | null;
  readonly shared: boolean;
}

export interface MmapModes {
  readonly populate: boolean;
  readonly norsv: boolean;
  readonly locked: boolean;
  readonly noreplace: boolean;
}

export const ADVICE = [
  'NORMAL',
  'RANDOM',
  'SEQUENTIAL',
  'WILLNEED',
  'DONTNEED',
  'DONTNEED_LOCKED',
  'FREE',
  'REMOVE',
  'DONTFORK',
  'DOFORK',
  'WIPEONFORK',
  'KEEPONFORK',
  'COLD',
  'PAGEOUT',
  'POPULATE_READ',
  'POPULATE_WRITE',
] as const;
export type Advice = (typeof ADVICE)[number];

export const SYNC_MODES = ['sync', 'async', 'inval'] as const;
export type SyncMode = (typeof SYNC_MODES)[number];

interface Range {
  readonly page: number;
  readonly pages: number;
}

interface Byte {
  readonly page: number;
  /** Byte in the page. */
  readonly at: number;
}

/** One member of the union for each kind. */
type Of<Kind extends string, Fields> = Kind extends string ? { readonly kind: Kind } & Fields : never;

interface Mmap extends Range {
  /** PROT_* bits. */
  readonly prot: number;
  readonly object: MappedObject;
  readonly offset: number;
  readonly modes: MmapModes;
}

interface Mremap {
  readonly page: number;
  readonly oldPages: number;
  readonly newPages: number;
  readonly to: number | null;
  readonly dontunmap: boolean;
}

interface InFile {
  readonly file: FileIndex;
}

export type Operation =
  | Of<'mmap', Mmap>
  | Of<'mremap', Mremap>
  | Of<'munmap' | 'mlock' | 'mlock2' | 'munlock' | 'mincore', Range>
  | Of<'mprotect', Range & { readonly prot: number }>
  | Of<'madvise', Range & { readonly advice: Advice }>
  | Of<'msync', Range & { readonly mode: SyncMode }>
  | Of<'r' | 'ur', Byte>
  | Of<'w' | 'uw', Byte & { readonly value: number }>
  | Of<'fill', Range & { readonly value: number }>
  | Of<'fw', InFile & Byte & { readonly value: number }>
  | Of<'fr', InFile & Byte>
  | Of<'ftrunc', InFile & { readonly halfPages: number }>
  | Of<'fpunch', InFile & Range>
  | Of<'fork' | 'exit', { readonly child: string }>
  | Of<'dump' | 'state', unknown>;

/** The operation of a kind. */
export type OperationOf<Kind extends Operation['kind']> = Extract<Operation, { readonly kind: Kind }>;

/** One line: who does what, and how it was written. */
export interface Step {
  /** The process: "0", or the name of a child. */
  readonly proc: string;
  readonly operation: Operation;
  /** The operation as written, without the process. */
  readonly text: string;
}
