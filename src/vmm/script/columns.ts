// What a process looks like to a script: its VMAs in the window as rows, its pages as a row of characters.
//
// runner.ts asks for it after each step, between scheduler steps. The characters: `.` no VMA, `-` no PTE, `z` the zero
// page, `A` and `a` anonymous, mapped once or more often, `F` and `f` the same of file and shmem pages, `S` swapped.

import {
  type File,
  type MapsEntry,
  type Mm,
  readMaps,
  readPagemap,
  VM_DONTCOPY,
  VM_EXEC,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_RAND_READ,
  VM_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
} from '../../mm/index.ts';
import { type Hva, PAGE_SIZE } from '../../units.ts';
import { WINDOW_PAGES, WINDOW_START } from './operation.ts';
import type { ProcessState, VmaRow } from './record.ts';

/** In the order of the kernel's VmFlags line. */
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [VM_LOCKED, 'lo'],
  [VM_SEQ_READ, 'sr'],
  [VM_RAND_READ, 'rr'],
  [VM_DONTCOPY, 'dc'],
  [VM_LOCKONFAULT, 'lf'],
  [VM_WIPEONFORK, 'wf'],
];
const LETTERS = [
  [VM_READ, 'r'],
  [VM_WRITE, 'w'],
  [VM_EXEC, 'x'],
] as const;
const CHARACTERS = {
  none: ['-', '-'],
  swap: ['S', 'S'],
  migration: ['S', 'S'],
  zero: ['z', 'z'],
  anon: ['a', 'A'],
  file: ['f', 'F'],
} as const;

/** `nameOf` says what the process calls a file. */
export function stateOf(mm: Mm, nameOf: (file: File) => string): ProcessState {
  const maps = readMaps(mm);
  const pages = Array.from({ length: WINDOW_PAGES }, (_, page) => characterOf(mm, maps, page));
  return { vmas: maps.map((entry) => rowOf(entry, nameOf)), pages: pages.join('') };
}

function rowOf({ start, end, flags, file, offset }: MapsEntry, nameOf: (file: File) => string): VmaRow {
  return [
    (start - WINDOW_START) / PAGE_SIZE,
    (end - start) / PAGE_SIZE,
    LETTERS.map(([flag, letter]) => ((flags & flag) !== 0 ? letter : '-')).join(''),
    (flags & VM_SHARED) !== 0 ? 's' : 'p',
    file === null ? 'anon' : nameOf(file),
    offset,
    FLAG_NAMES.flatMap(([flag, name]) => ((flags & flag) !== 0 ? [name] : [])).join(' '),
  ];
}

function characterOf(mm: Mm, maps: readonly MapsEntry[], page: number): string {
  const address = (WINDOW_START + page * PAGE_SIZE) as Hva;
  if (!maps.some(({ start, end }) => start <= address && address < end)) return '.';
  const { kind, exclusive } = readPagemap(mm, address);
  return CHARACTERS[kind][Number(exclusive)]!;
}
