// Operands: the operand forms of RISC-V instructions: immediates with %modifiers, CSRs, fence sets, memory.
//
// Called by instructions.ts and pseudos.ts, on the cursor of the current statement.

import { csrNumber } from '../hw/isa/index.ts';
import type { Cursor } from './cursor.ts';
import { Fault } from './errors.ts';
import { constant, type Expression } from './expression.ts';
import type { FixupKind } from './fixups.ts';

/** An immediate operand and how its value becomes bits. */
export interface Immediate {
  readonly kind: FixupKind;
  readonly expression: Expression;
  readonly index: number;
}

const MODIFIERS: ReadonlyMap<string, FixupKind> = new Map([
  ['hi', 'hi'],
  ['lo', 'lo'],
  ['pcrel_hi', 'pcrelHi'],
  ['pcrel_lo', 'pcrelLo'],
]);

/** An expression, or one of the %modifiers that stand for a kind in `allowed`. */
export function immediate(c: Cursor, allowed: readonly FixupKind[]): Immediate {
  const index = c.index;
  if (!c.accept('%')) return { kind: 'immediate', expression: c.expression(), index };
  const name = c.name('a modifier such as lo');
  const kind = MODIFIERS.get(name);
  if (kind === undefined) throw new Fault(index, `unknown modifier '%${name}'`);
  if (!allowed.includes(kind)) throw new Fault(index, `'%${name}' cannot be used here`);
  c.expect('(');
  const expression = c.expression();
  c.expect(')');
  return { kind, expression, index };
}

export const LOWER_PARTS: readonly FixupKind[] = ['lo', 'pcrelLo'];

/** `imm(reg)`, `(reg)`, or an immediate alone: then base is undefined. */
export function memory(c: Cursor): { readonly offset: Immediate; readonly base: number | undefined } {
  const index = c.index;
  const bare = c.acceptBase();
  if (bare !== undefined)
    return { offset: { kind: 'immediate', expression: constant(0n), index }, base: bare };
  const offset = immediate(c, LOWER_PARTS);
  return { offset, base: c.acceptBase() };
}

/** `(reg)` or `0(reg)`, the address of an atomic. */
export function atomicAddress(c: Cursor): number {
  const bare = c.acceptBase();
  if (bare !== undefined) return bare;
  if (c.peek().kind === 'number') c.knownNumber('the offset of an atomic', 0, 0);
  return c.base();
}

/** A CSR by name, or by number 0..4095. */
export function csr(c: Cursor): number {
  const token = c.peek();
  const named = token.kind === 'name' ? csrNumber(token.text) : undefined;
  if (named !== undefined) {
    c.next();
    return named;
  }
  return c.knownNumber('a CSR number', 0, 0xfff);
}

/** A set of i, o, r, w as four bits, or the bits themselves. */
export function fenceSet(c: Cursor): number {
  const token = c.peek();
  if (token.kind === 'number') return c.knownNumber('a fence set', 0, 15);
  if (token.kind !== 'name' || !/^[iorw]+$/.test(token.text)) return c.expected("a fence set such as 'rw'");
  c.next();
  let bits = 0;
  for (const letter of token.text) bits |= 8 >> 'iorw'.indexOf(letter);
  return bits;
}
