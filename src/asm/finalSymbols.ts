// Final symbols: what becomes of the names at the end of the source.
//
// Called by assemble.ts: settleSymbols() before the layout, when sections still have no addresses and so it shows to which
// of them a name belongs; finalSymbols() after it, for the symbol table of the program.

import type { Assembly, Common } from './assembly.ts';
import type { ElfSymbol } from './elf.ts';
import type { Diagnostics } from './errors.ts';
import { constant, evaluate, evaluateFinal, mention, type Sym } from './expression.ts';
import type { Part } from './layout.ts';
import type { Section } from './sections.ts';
import type { Place } from './source.ts';
import { isPrivate } from './symbols.ts';

const NOWHERE: Place = { statement: { text: '', line: 1, column: 0, expansion: null }, index: 0 };

const placeOf = (symbol: Sym): Place => symbol.definedAt ?? NOWHERE;

/** Allocates .comm objects, makes undefined weak symbols 0, and finds the section of every symbol. */
export function settleSymbols(a: Assembly, diagnostics: Diagnostics): void {
  allocateCommons(a, diagnostics);
  for (const [name, { binding }] of a.table.attributes) {
    const symbol = a.table.symbols.get(name);
    if (binding === 'weak' && symbol?.definition === null) symbol.definition = constant(0n);
  }
  for (const symbol of a.table.symbols.values()) {
    const place = placeOf(symbol);
    diagnostics.attempt(place.statement, () => evaluate(mention(symbol, place.index)));
  }
}

/** Those of .local names come first, as from GNU as and ld. */
function allocateCommons(a: Assembly, diagnostics: Diagnostics): void {
  const commons = [...a.commons.values()];
  const isLocal = ({ name }: Common): boolean => a.table.attributes.get(name)?.binding === 'local';
  for (const common of [...commons.filter(isLocal), ...commons.filter((one) => !isLocal(one))]) {
    diagnostics.attempt(common.place.statement, () => {
      a.allocate(common);
      const attributes = a.table.attributesOf(common.name, common.place.index);
      if (attributes.binding === 'unstated') attributes.binding = 'global';
    });
  }
}

/** The symbol table: every defined name that is not private to the source, with its final value. */
export function finalSymbols(a: Assembly, parts: readonly Part[], diagnostics: Diagnostics): ElfSymbol[] {
  const partOf = new Map(
    parts.flatMap((part) => part.sections.map((section): [Section, Part] => [section, part])),
  );
  const symbols: ElfSymbol[] = [];
  for (const symbol of a.table.symbols.values()) {
    const section = symbol.known?.section ?? null;
    if (symbol.definition === null || isPrivate(symbol.name) || section?.kind === 'dropped') continue;
    const part = section === null ? null : partOf.get(section)!;
    const { statement, index } = placeOf(symbol);
    diagnostics.attempt(statement, () => {
      const value = evaluateFinal(mention(symbol, index), index);
      symbols.push({ name: symbol.name, value, part, ...looks(a, symbol.name, diagnostics) });
    });
  }
  return symbols;
}

/** What directives say of a name. */
function looks(
  a: Assembly,
  name: string,
  diagnostics: Diagnostics,
): Pick<ElfSymbol, 'size' | 'binding' | 'type'> {
  const attributes = a.table.attributes.get(name);
  if (attributes === undefined) return { size: 0n, binding: 'local', type: 'none' };
  const { binding, type, size: stated } = attributes;
  let size = 0n;
  if (stated !== null) {
    const { statement, index } = stated.place;
    diagnostics.attempt(statement, () => {
      size = evaluateFinal(stated.expression, index);
    });
  }
  return { size, binding: binding === 'unstated' ? 'local' : binding, type };
}
