// Symbol directives: what names stand for and how they look in the symbol table.
//
// Looked up by directives.ts; assign() is also `name = value`.

import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import { org } from './dataDirectives.ts';
import { Fault } from './errors.ts';
import { type Expression, evaluate, known } from './expression.ts';
import { MAX_NOBITS } from './limits.ts';
import type { Attributes } from './symbols.ts';

type Directive = (a: Assembly, c: Cursor) => void;

/** Gives `name` the value at the cursor; `.` is where the section goes on. Throws Fault. */
export function assign(a: Assembly, name: string, c: Cursor): void {
  if (name === '.') org(a, c);
  else define(a, name, c, true);
}

function define(a: Assembly, name: string, c: Cursor, redefinable: boolean): void {
  const expression = c.expression();
  c.end();
  a.table.define(name, settled(expression), redefinable, a.place(c.start));
}

/** What the expression means now, where that is known: later definitions of its symbols do not change it. */
function settled(expression: Expression): Expression {
  const value = evaluate(expression);
  return value === undefined ? expression : known(value);
}

const set =
  (redefinable: boolean): Directive =>
  (a, c) => {
    const name = c.name('a symbol');
    c.comma();
    define(a, name, c, redefinable);
  };

const binding =
  (value: Attributes['binding']): Directive =>
  (a, c) => {
    do {
      const index = c.index;
      const attributes = a.table.attributesOf(c.name('a symbol'), index);
      if (!(value === 'global' && attributes.binding === 'weak')) attributes.binding = value;
    } while (c.accept(','));
    c.end();
  };

const TYPES: ReadonlyMap<string, Attributes['type']> = new Map([
  ['function', 'function'],
  ['STT_FUNC', 'function'],
  ['object', 'object'],
  ['STT_OBJECT', 'object'],
  ['notype', 'none'],
  ['STT_NOTYPE', 'none'],
]);

/** .type name, @function (or %function, "function", STT_FUNC) */
function type(a: Assembly, c: Cursor): void {
  const name = c.name('a symbol');
  c.accept(',');
  if (!c.accept('@')) c.accept('%');
  const index = c.index;
  const word = c.peek().kind === 'string' ? c.next().text : c.name('a symbol type');
  const value = TYPES.get(word);
  if (value === undefined) throw new Fault(index, `unknown symbol type '${word}'`);
  c.end();
  a.table.attributesOf(name, c.start).type = value;
}

function size(a: Assembly, c: Cursor): void {
  const name = c.name('a symbol');
  c.comma();
  const place = a.place(c.index);
  const expression = settled(c.expression());
  c.end();
  a.table.attributesOf(name, c.start).size = { expression, place };
}

/** name, size[, alignment]: zeros in .bss; .comm puts them behind everything else. */
const common =
  (atOnce: boolean): Directive =>
  (a, c) => {
    const place = a.place(c.index);
    const name = c.name('a symbol');
    c.comma();
    const bytes = c.knownNumber('the size', 0, MAX_NOBITS);
    const power = c.accept(',') ? alignmentPower(c) : naturalPower(bytes);
    c.end();
    const item = { name, size: bytes, power, place };
    const before = a.commons.get(name);
    if (atOnce) a.allocate(item);
    else a.commons.set(name, before === undefined ? item : larger(before, item));
  };

const larger = <T extends { size: number; power: number }>(one: T, other: T): T => ({
  ...one,
  size: Math.max(one.size, other.size),
  power: Math.max(one.power, other.power),
});

function alignmentPower(c: Cursor): number {
  const index = c.index;
  const alignment = c.knownNumber('the alignment', 1, 2 ** 31);
  const power = Math.log2(alignment);
  if (!Number.isInteger(power)) throw new Fault(index, `alignment ${alignment} is not a power of two`);
  return power;
}

/** The largest power of two up to 16 that is not larger than the object. */
const naturalPower = (bytes: number): number => Math.min(4, Math.floor(Math.log2(Math.max(bytes, 1))));

export const SYMBOL_DIRECTIVES: ReadonlyMap<string, Directive> = new Map([
  ['.set', set(true)],
  ['.equ', set(true)],
  ['.equiv', set(false)],
  ['.globl', binding('global')],
  ['.global', binding('global')],
  ['.local', binding('local')],
  ['.weak', binding('weak')],
  ['.type', type],
  ['.size', size],
  ['.comm', common(false)],
  ['.common', common(false)],
  ['.lcomm', common(true)],
]);
