// Layout: gives every section its address.
//
// Called by assemble.ts when all statements are assembled. Four parts follow each other from the base, each on pages of
// its own: text, rodata, data, bss; in a part, sections keep the order in which the source first names them, but
// .text.init comes first, as in the linker scripts of RISC-V test programs.

import type { Assembly } from './assembly.ts';
import { constant } from './expression.ts';
import type { Section, SectionKind } from './sections.ts';

const PAGE = 4096;
/** Offset of the global pointer in data, so that 12-bit offsets reach 4 KiB of it; GNU ld's choice. */
const GP_OFFSET = 0x800;

/** A part of the program: one segment and one section of the ELF file. */
export interface Part {
  readonly kind: Exclude<SectionKind, 'dropped'>;
  readonly sections: readonly Section[];
  readonly address: number;
  /** Bytes in memory. */
  readonly size: number;
  readonly align: number;
}

const ORDER: readonly Part['kind'][] = ['text', 'rodata', 'data', 'bss'];

/** Places all sections from `base` on, which is a multiple of the page size. */
export function layOut(a: Assembly, base: number): Part[] {
  const parts: Part[] = [];
  let next = base;
  for (const kind of ORDER) {
    const sections = sectionsOf(a, kind);
    const align = Math.max(PAGE, ...sections.map((section) => section.align));
    const address = alignUp(next, align);
    next = place(sections, address);
    parts.push({ kind, sections, address, size: next - address, align });
  }
  provide(a, parts);
  return parts;
}

function sectionsOf(a: Assembly, kind: SectionKind): Section[] {
  const sections = [...a.sections.values()].filter((section) => section.kind === kind);
  const isFirst = (section: Section): boolean => /^\.text\.init(\.|$)/.test(section.name);
  return [...sections.filter(isFirst), ...sections.filter((section) => !isFirst(section))];
}

/** Places sections one after the other; returns where they end. */
function place(sections: readonly Section[], address: number): number {
  let next = address;
  for (const section of sections) {
    section.address = alignUp(next, section.align);
    next = section.address + section.size;
  }
  return next;
}

/** Defines the names that GNU ld provides, as far as the source mentions them and does not define them itself. */
function provide(a: Assembly, parts: readonly Part[]): void {
  const [text, , data, bss] = parts as [Part, Part, Part, Part];
  const provided: readonly (readonly [string, number])[] = [
    ['_etext', text.address + text.size],
    ['__global_pointer$', data.address + GP_OFFSET],
    ['_edata', data.address + data.size],
    ['__bss_start', bss.address],
    ['_end', bss.address + bss.size],
  ];
  for (const [name, address] of provided) {
    const symbol = a.table.symbols.get(name);
    if (symbol !== undefined && symbol.definition === null) symbol.definition = constant(BigInt(address));
  }
}

const alignUp = (address: number, align: number): number => Math.ceil(address / align) * align;
