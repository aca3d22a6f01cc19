// A guest's own page tables, in the three styles that people know: QEMU's `info mem`, xv6's vmprint, crash's vtop.
//
// Read by peeks; a table that cannot be reached is left out.

import { type Hart, PRV_M, satpIsPaged, satpRoot } from '../../hw/hart/index.ts';
import { PTE_A, PTE_D, PTE_G, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X } from '../../hw/sv39/index.ts';
import type { Gpa } from '../../units.ts';
import type { GuestView } from './guestView.ts';

interface TableEntry {
  readonly level: number;
  readonly index: number;
  /** Guest virtual address of what it maps, sign-extended. */
  readonly address: number;
  readonly lo: number;
  readonly hi: number;
  /** Guest physical address that it holds. */
  readonly pa: number;
}

const isLeafEntry = ({ lo }: TableEntry): boolean => (lo & (PTE_R | PTE_W | PTE_X)) !== 0;
const signed = (address: number): number => (address >= 2 ** 38 ? address - 2 ** 39 : address);
const bytesOf = (level: number): number => 4096 * 512 ** level;

/** Valid entries of the tree at `root`, each table before what it points to. */
function* entriesOf(view: GuestView, table: number, level: number, base: number): Iterable<TableEntry> {
  const bytes = view.readPhysical(table as Gpa, 4096);
  if (bytes === null) return;
  const words = new DataView(bytes.buffer, bytes.byteOffset);
  for (let index = 0; index < 512; index++) {
    const [lo, hi] = [words.getInt32(8 * index, true), words.getInt32(8 * index + 4, true)];
    if ((lo & PTE_V) === 0) continue;
    const address = base + index * bytesOf(level);
    const pa = ((lo >>> 10) + (hi & 0x3fffff) * 2 ** 22) * 4096;
    const entry = { level, index, address: signed(address), lo, hi, pa };
    yield entry;
    if (!isLeafEntry(entry) && level > 0) yield* entriesOf(view, pa, level - 1, address);
  }
}

const treeOf = (view: GuestView, hart: Hart): Iterable<TableEntry> => entriesOf(view, satpRoot(hart), 2, 0);

const isTranslating = (hart: Hart): boolean => satpIsPaged(hart) && hart.privilege !== PRV_M;

const hex16 = (value: number): string => BigInt.asUintN(64, BigInt(value)).toString(16).padStart(16, '0');
const word = ({ lo, hi }: TableEntry): string =>
  (hi >>> 0).toString(16).padStart(8, '0') + (lo >>> 0).toString(16).padStart(8, '0');

/** QEMU's `info mem`: ranges of pages that follow each other with the same attributes. */
export function qemuTables(view: GuestView, hart: Hart): string {
  if (!satpIsPaged(hart)) return 'No translation or protection\n';
  const ranges: { va: number; pa: number; size: number; attributes: string }[] = [];
  for (const entry of treeOf(view, hart)) {
    if (!isLeafEntry(entry)) continue;
    const [size, attributes] = [bytesOf(entry.level), attributesOf(entry.lo)];
    const last = ranges.at(-1);
    const follows =
      last !== undefined &&
      last.va + last.size === entry.address &&
      last.pa + last.size === entry.pa &&
      last.attributes === attributes;
    if (follows) last.size += size;
    else ranges.push({ va: entry.address, pa: entry.pa, size, attributes });
  }
  const lines = ranges.map(
    ({ va, pa, size, attributes }) => `${hex16(va)} ${hex16(pa)} ${hex16(size)} ${attributes}\n`,
  );
  return `vaddr            paddr            size             attr\n---------------- ---------------- ---------------- -------\n${lines.join('')}`;
}

const ATTRIBUTES = [
  [PTE_R, 'r'],
  [PTE_W, 'w'],
  [PTE_X, 'x'],
  [PTE_U, 'u'],
  [PTE_G, 'g'],
  [PTE_A, 'a'],
  [PTE_D, 'd'],
] as const;

const attributesOf = (lo: number): string =>
  ATTRIBUTES.map(([bit, letter]) => ((lo & bit) !== 0 ? letter : '-')).join('');

/** xv6's vmprint(). */
export function xv6Tables(view: GuestView, hart: Hart): string {
  if (!satpIsPaged(hart)) return 'no page table\n';
  let text = `page table 0x${hex16(satpRoot(hart))}\n`;
  for (const entry of treeOf(view, hart)) {
    const dots = new Array(3 - entry.level).fill('..').join(' ');
    text += `${dots}${entry.index}: pte 0x${word(entry)} pa 0x${hex16(entry.pa)}\n`;
  }
  return text;
}

const LEVEL_NAMES = ['PTE', 'PMD', 'PGD'];

/** crash's vtop of each of `addresses`. */
export function crashTables(view: GuestView, hart: Hart, addresses: readonly number[]): string {
  return addresses.map((address) => crashVtop(view, hart, address)).join('\n');
}

function crashVtop(view: GuestView, hart: Hart, address: number): string {
  const { gpa, trail } = view.translate(hart, address);
  const virtual = BigInt.asUintN(64, BigInt(address)).toString(16);
  const physical = gpa === null ? '(not mapped)' : gpa.toString(16);
  let text = `VIRTUAL           PHYSICAL\n${virtual.padEnd(17)} ${physical}\n`;
  if (!isTranslating(hart)) return text;
  text += `\nPAGE DIRECTORY: ${satpRoot(hart).toString(16)}\n`;
  for (const { level, address: at, lo, hi } of trail) {
    const value = ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString(16);
    text += `   ${LEVEL_NAMES[level]}: ${at.toString(16)} => ${value}\n`;
  }
  return text;
}
