// Carries out one operation in one process, and says what came of it.
//
// runner.ts runs it as a task. Addresses are the window's; results come back as the script counts them, in pages.

import {
  copyFromUser,
  copyToUser,
  type File,
  filePunchHole,
  fileRead,
  fileTruncate,
  fileWrite,
  MADV_COLD,
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_KEEPONFORK,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MLOCK_ONFAULT,
  type Mm,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
  madvise,
  mincore,
  mlock,
  mmap,
  mprotect,
  mremap,
  msync,
  munlock,
  munmap,
  readPagemap,
  type UserSignal,
  userLoad8,
  userStore8,
} from '../../mm/index.ts';
import type { Steps } from '../../sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../units.ts';
import {
  type Advice,
  type Operation,
  type OperationOf,
  type SyncMode,
  WINDOW_PAGES,
  WINDOW_START,
} from './operation.ts';
import { type Answer, answerOf } from './record.ts';

/** The CPU that the script is pinned to. */
const CPU = 0;
/** The bytes of each page that `dump` shows; the first is the one that `fill` writes. */
const DUMPED = [16, 0xc10] as const;

const ADVICE_VALUES: Readonly<Record<Advice, number>> = {
  NORMAL: MADV_NORMAL,
  RANDOM: MADV_RANDOM,
  SEQUENTIAL: MADV_SEQUENTIAL,
  WILLNEED: MADV_WILLNEED,
  DONTNEED: MADV_DONTNEED,
  DONTNEED_LOCKED: MADV_DONTNEED_LOCKED,
  FREE: MADV_FREE,
  REMOVE: MADV_REMOVE,
  DONTFORK: MADV_DONTFORK,
  DOFORK: MADV_DOFORK,
  WIPEONFORK: MADV_WIPEONFORK,
  KEEPONFORK: MADV_KEEPONFORK,
  COLD: MADV_COLD,
  PAGEOUT: MADV_PAGEOUT,
  POPULATE_READ: MADV_POPULATE_READ,
  POPULATE_WRITE: MADV_POPULATE_WRITE,
};
const SYNC_VALUES: ReadonlyMap<SyncMode, number> = new Map([
  ['sync', MS_SYNC],
  ['async', MS_ASYNC],
  ['inval', MS_INVALIDATE],
]);

const addressOf = (page: number, at = 0): Hva => (WINDOW_START + page * PAGE_SIZE + at) as Hva;

type Files = readonly [File, File];

/** Everything but fork and exit, which concern processes. */
export function* execute(
  mm: Mm,
  files: Files,
  operation: Exclude<Operation, { readonly kind: 'fork' | 'exit' }>,
): Steps<Answer> {
  switch (operation.kind) {
    case 'r':
    case 'w':
      return yield* access(mm, operation);
    case 'fill':
      return yield* fill(mm, operation);
    case 'ur':
    case 'uw':
      return yield* userCopy(mm, operation);
    case 'mincore':
      return yield* core(mm, operation);
    case 'fw':
    case 'fr':
    case 'ftrunc':
    case 'fpunch':
      return yield* fileOperation(files, operation);
    case 'dump':
      return { data: yield* dump(mm) };
    case 'state':
      return {};
    default:
      return yield* systemCall(mm, files, operation);
  }
}

function* systemCall(
  mm: Mm,
  files: Files,
  operation: OperationOf<
    'mmap' | 'munmap' | 'mprotect' | 'mremap' | 'madvise' | 'mlock' | 'mlock2' | 'munlock' | 'msync'
  >,
): Steps<Answer> {
  const start = addressOf(operation.page);
  if (operation.kind === 'mremap') return yield* remap(mm, operation);
  const length = operation.pages * PAGE_SIZE;
  switch (operation.kind) {
    case 'mmap':
      return answerOf(Math.min(0, yield* map(mm, files, operation)));
    case 'munmap':
      return answerOf(yield* munmap(mm, start, length));
    case 'mprotect':
      return answerOf(yield* mprotect(mm, start, length, operation.prot));
    case 'madvise':
      return answerOf(yield* madvise(mm, start, length, ADVICE_VALUES[operation.advice]));
    case 'mlock':
      return answerOf(yield* mlock(mm, start, length, 0));
    case 'mlock2':
      return answerOf(yield* mlock(mm, start, length, MLOCK_ONFAULT));
    case 'munlock':
      return answerOf(yield* munlock(mm, start, length));
    case 'msync':
      return answerOf(yield* msync(mm, start, length, SYNC_VALUES.get(operation.mode) ?? 0));
  }
}

function map(
  mm: Mm,
  files: Files,
  { page, pages, prot, object, offset, modes }: OperationOf<'mmap'>,
): Steps<number> {
  const flags =
    (object.shared ? MAP_SHARED : MAP_PRIVATE) |
    (object.file === null ? MAP_ANONYMOUS : 0) |
    (modes.noreplace ? MAP_FIXED_NOREPLACE : MAP_FIXED) |
    (modes.populate ? MAP_POPULATE : 0) |
    (modes.norsv ? MAP_NORESERVE : 0) |
    (modes.locked ? MAP_LOCKED : 0);
  const file = object.file === null ? null : files[object.file];
  return mmap(mm, addressOf(page), pages * PAGE_SIZE, prot, flags, file, offset);
}

function* remap(mm: Mm, { page, oldPages, newPages, to, dontunmap }: OperationOf<'mremap'>): Steps<Answer> {
  const flags = (to === null ? 0 : MREMAP_MAYMOVE | MREMAP_FIXED) | (dontunmap ? MREMAP_DONTUNMAP : 0);
  const target = to === null ? 0 : addressOf(to);
  const moved = yield* mremap(mm, addressOf(page), oldPages * PAGE_SIZE, newPages * PAGE_SIZE, flags, target);
  return moved < 0 ? answerOf(moved) : answerOf((moved - WINDOW_START) / PAGE_SIZE);
}

/** The process's own load or store of one byte. */
function* access(mm: Mm, operation: OperationOf<'r' | 'w'>): Steps<Answer> {
  const address = addressOf(operation.page, operation.at);
  const before = mm.faults;
  const loads = operation.kind === 'r';
  const got = yield* loads ? userLoad8(mm, CPU, address) : userStore8(mm, CPU, address, operation.value);
  if (typeof got === 'string') return signal(got);
  const flt = mm.faults - before;
  return loads ? { val: got, flt } : { flt };
}

/** Stops at the first page that takes a signal. */
function* fill(mm: Mm, { page, pages, value }: OperationOf<'fill'>): Steps<Answer> {
  const before = mm.faults;
  for (let done = 0; done < pages; done++) {
    const got = yield* userStore8(mm, CPU, addressOf(page + done, DUMPED[0]), (value + done) % 256);
    if (typeof got === 'string') return { done, flt: mm.faults - before, ...signal(got) };
  }
  return { done: pages, flt: mm.faults - before };
}

const SIGNALS: Readonly<Record<UserSignal, Answer>> = {
  SEGV_MAPERR: { sig: 'SEGV', code: 'MAPERR' },
  SEGV_ACCERR: { sig: 'SEGV', code: 'ACCERR' },
  BUS_ADRERR: { sig: 'BUS', code: 'ADRERR' },
  SWAP_IO: { sig: 'BUS', code: 'ADRERR' },
  OOM_KILL: { sig: 'KILL', code: 'KERNEL' },
};
const signal = (taken: UserSignal): Answer => SIGNALS[taken];

/** The kernel's load or store of one byte. */
function* userCopy(mm: Mm, operation: OperationOf<'ur' | 'uw'>): Steps<Answer> {
  const address = addressOf(operation.page, operation.at);
  if (operation.kind === 'uw')
    return answerOf(yield* copyToUser(mm, CPU, address, Uint8Array.of(operation.value)));
  const byte = new Uint8Array(1);
  const error = yield* copyFromUser(mm, CPU, address, byte);
  return error !== 0 ? answerOf(error) : { val: byte[0]!, ...answerOf(0) };
}

/** A question mark for a swapped page: whether it is in the swap cache as well depends on when reclaim last came by. */
function* core(mm: Mm, { page, pages }: OperationOf<'mincore'>): Steps<Answer> {
  const vec = new Uint8Array(pages);
  const error = yield* mincore(mm, addressOf(page), vec);
  if (error !== 0) return answerOf(error);
  const characters = Array.from(vec, (byte, i) =>
    readPagemap(mm, addressOf(page + i)).kind === 'swap' ? '?' : `${byte & 1}`,
  );
  return { core: characters.join(''), ...answerOf(0) };
}

function* fileOperation(
  files: Files,
  operation: OperationOf<'fw' | 'fr' | 'ftrunc' | 'fpunch'>,
): Steps<Answer> {
  const file = files[operation.file];
  if (operation.kind === 'ftrunc')
    return answerOf(yield* fileTruncate(file, (operation.halfPages * PAGE_SIZE) / 2));
  const position = operation.page * PAGE_SIZE;
  if (operation.kind === 'fpunch')
    return answerOf(yield* filePunchHole(file, position, operation.pages * PAGE_SIZE));
  if (operation.kind === 'fw') {
    const written = yield* fileWrite(file, position + operation.at, Uint8Array.of(operation.value));
    return answerOf(Math.min(0, written));
  }
  const byte = new Uint8Array(1);
  const length = yield* fileRead(file, position + operation.at, byte);
  return length === 1 ? { val: byte[0]!, ...answerOf(1) } : answerOf(length);
}

const dumpedSignal = (taken: UserSignal): string => (signal(taken).sig === 'BUS' ? 'BB' : '--');

/** Two bytes of each page in hex; where the process would take a signal, BB for SIGBUS and dashes for others. */
function* dump(mm: Mm): Steps<string> {
  const words: string[] = [];
  for (let page = 0; page < WINDOW_PAGES; page++) {
    let word = '';
    for (const at of DUMPED) {
      const got = yield* userLoad8(mm, CPU, addressOf(page, at));
      word += typeof got === 'string' ? dumpedSignal(got) : got.toString(16).padStart(2, '0');
    }
    words.push(word);
  }
  return words.join(' ');
}
