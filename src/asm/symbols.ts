// Symbols: the table of names of one pass.
//
// Written by labels and symbol directives, read by the expression parser and, at the end, by layout.ts and elf.ts. A
// name that .set redefines gets a new Sym, so that expressions written before keep the old value, as in GNU as; a
// mention before any definition means the first one.

import { FatalFault, Fault } from './errors.ts';
import { type Expression, Sym } from './expression.ts';
import { MAX_SYMBOLS } from './limits.ts';
import type { Place } from './source.ts';

/** What directives say about a name, whichever Sym carries it. */
export interface Attributes {
  /** `unstated` is local, except for .comm. */
  binding: 'unstated' | 'local' | 'global' | 'weak';
  type: 'none' | 'function' | 'object';
  size: { readonly expression: Expression; readonly place: Place } | null;
}

export class SymbolTable {
  readonly symbols = new Map<string, Sym>();
  readonly attributes = new Map<string, Attributes>();
  /** How often each numeric label has been defined. */
  private readonly numeric = new Map<number, number>();

  /** The symbol that the name means here, made undefined if it is new. Throws FatalFault. */
  lookup(name: string, index: number): Sym {
    let symbol = this.symbols.get(name);
    if (symbol === undefined) {
      checkRoom(this.symbols, index);
      symbol = new Sym(name);
      this.symbols.set(name, symbol);
    }
    return symbol;
  }

  isDefined(name: string): boolean {
    return (this.symbols.get(name)?.definition ?? null) !== null;
  }

  attributesOf(name: string, index: number): Attributes {
    let attributes = this.attributes.get(name);
    if (attributes === undefined) {
      checkRoom(this.attributes, index);
      attributes = { binding: 'unstated', type: 'none', size: null };
      this.attributes.set(name, attributes);
    }
    return attributes;
  }

  /** Defines `name`, once for ever unless both definitions are redefinable. Throws Fault. */
  define(name: string, definition: Expression, redefinable: boolean, place: Place): void {
    let symbol = this.lookup(name, place.index);
    if (symbol.definition !== null) {
      if (!(symbol.redefinable && redefinable)) {
        const before = symbol.definedAt === null ? '' : ` in line ${symbol.definedAt.statement.line}`;
        throw new Fault(place.index, `'${name}' is already defined${before}`);
      }
      symbol = new Sym(name);
      this.symbols.set(name, symbol);
    }
    symbol.definition = definition;
    symbol.redefinable = redefinable;
    symbol.definedAt = place;
  }

  /** Defines the numeric label `number` once more. */
  defineNumeric(number: number, definition: Expression, place: Place): void {
    const count = (this.numeric.get(number) ?? 0) + 1;
    this.numeric.set(number, count);
    this.define(numericName(number, count), definition, false, place);
  }

  /** The symbol that `1b` or `1f` means here. Throws Fault. */
  numericReference(text: string, index: number): Sym {
    const number = Number.parseInt(text, 10);
    const count = this.numeric.get(number) ?? 0;
    if (text.endsWith('f')) return this.lookup(numericName(number, count + 1), index);
    if (count === 0) throw new Fault(index, `no label ${number}: before this`);
    return this.lookup(numericName(number, count), index);
  }
}

function checkRoom(map: ReadonlyMap<string, unknown>, index: number): void {
  if (map.size >= MAX_SYMBOLS) throw new FatalFault(index, `more than ${MAX_SYMBOLS} symbols`);
}

/** A name that no source can spell. */
const numericName = (number: number, count: number): string => `${number}#${count}`;

/** Labels that only the source's author sees: compilers' .L labels and numeric ones. */
export const isPrivate = (name: string): boolean => name.startsWith('.L') || name.includes('#');
