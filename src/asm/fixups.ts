// Fixups: values that are put into place once known: at once where possible, else after the layout.
//
// Made by instructions.ts, pseudos.ts and dataDirectives.ts, applied by assembly.ts. Each kind says how a value becomes
// bits and which values fit; they correspond to the relocations of the RISC-V ELF psABI that GNU as would emit.

import { decode, encode, encodingOf, Format, opOf, rdOf, rs1Of, rs2Of } from '../hw/isa/index.ts';
import { Fault } from './errors.ts';
import type { Expression } from './expression.ts';
import type { Section } from './sections.ts';
import type { Place } from './source.ts';

/**
 * `immediate`: the immediate of the instruction's format. `target`: a branch or jump to an address. `hi`, `lo`: the parts
 * of an absolute address. `pcrelHi`: the upper part of a distance; `pcrelLo`: the lower part of the distance of the
 * pcrelHi that the value points at. `pcrelPair`: both parts in two adjacent instructions. `data*`: bytes.
 */
export type FixupKind =
  | 'immediate'
  | 'target'
  | 'hi'
  | 'lo'
  | 'pcrelHi'
  | 'pcrelLo'
  | 'pcrelPair'
  | 'data1'
  | 'data2'
  | 'data4'
  | 'data8';

export interface Fixup {
  readonly kind: FixupKind;
  readonly section: Section;
  readonly offset: number;
  readonly expression: Expression;
  readonly place: Place;
  /** The ordinal of a conditional branch in its pass, or -1. */
  readonly branch: number;
}

const WIDTHS: Partial<Readonly<Record<FixupKind, number>>> = { data1: 1, data2: 2, data4: 4, data8: 8 };

/** True for kinds whose bits depend on the value alone, not on where it is put. */
export const isPlaceless = (kind: FixupKind): boolean =>
  kind === 'immediate' || kind === 'hi' || kind === 'lo' || kind in WIDTHS;

/** Puts a value where a fixup of a placeless kind wants it. Throws Fault if it does not fit. */
export function applyValue(f: Fixup, value: bigint): void {
  const width = WIDTHS[f.kind];
  if (width !== undefined) applyData(f, value, width);
  else if (f.kind === 'hi') patch(f, f.offset, hiPart(f, value));
  else if (f.kind === 'lo') patch(f, f.offset, loPart(value));
  else applyImmediate(f, value);
}

/** Puts the distance `delta` from the instruction to its target into a `pcrelHi`, `pcrelLo` or `pcrelPair`. */
export function applyDistance(f: Fixup, delta: bigint): void {
  if (f.kind !== 'pcrelLo') patch(f, f.offset, distanceHi(f, delta));
  if (f.kind !== 'pcrelHi') patch(f, f.kind === 'pcrelPair' ? f.offset + 4 : f.offset, loPart(delta));
}

/** Whether a branch or jump reaches so far, and its offset is even. */
export function reaches(f: Fixup, delta: bigint): boolean {
  const limit = f.branch === -1 ? 1n << 20n : 1n << 12n;
  return delta >= -limit && delta < limit;
}

/** Puts the offset of a branch or jump that reaches. Throws Fault if it is odd. */
export function applyTarget(f: Fixup, delta: bigint): void {
  if ((delta & 1n) !== 0n) throw new Fault(f.place.index, 'the target is at an odd address');
  patch(f, f.offset, Number(delta));
}

function applyData(f: Fixup, value: bigint, width: number): void {
  const bits = BigInt(8 * width);
  if (value < -(1n << (bits - 1n)) || value >= 1n << bits) {
    throw new Fault(f.place.index, `value ${value} does not fit in ${width} byte${width === 1 ? '' : 's'}`);
  }
  f.section.writeInteger(f.offset, value, width);
}

const RANGES: Readonly<Record<number, readonly [bigint, bigint]>> = {
  [Format.u]: [0n, 0xfffffn],
  [Format.shift]: [0n, 63n],
  [Format.shiftw]: [0n, 31n],
};

function applyImmediate(f: Fixup, value: bigint): void {
  const format = formatAt(f.section, f.offset);
  const [minimum, maximum] = RANGES[format] ?? [-2048n, 2047n];
  if (value < minimum || value > maximum) {
    throw new Fault(f.place.index, `immediate ${value} is not in ${minimum}..${maximum}`);
  }
  patch(f, f.offset, format === Format.u ? Number(value) << 12 : Number(value));
}

/** The upper part of an address for lui, rounded so that the sign-extended lower part completes it. */
function hiPart(f: Fixup, value: bigint): number {
  if (!fitsUpper(value)) {
    const shown = `0x${BigInt.asUintN(64, value).toString(16)}`;
    throw new Fault(f.place.index, `%hi cannot express ${shown}: use la, or compile with -mcmodel=medany`);
  }
  return upper(value);
}

function distanceHi(f: Fixup, delta: bigint): number {
  if (!fitsUpper(delta)) throw new Fault(f.place.index, 'the target is more than 2 GiB away');
  return upper(delta);
}

/** True if lui or auipc plus a signed 12-bit immediate make the value. */
const fitsUpper = (value: bigint): boolean => BigInt.asIntN(32, value + 0x800n) === value + 0x800n;

const upper = (value: bigint): number => Number(BigInt.asIntN(32, value + 0x800n)) & ~0xfff;

const loPart = (value: bigint): number => Number(BigInt.asIntN(12, value));

const scratch = new Int32Array(2);

function formatAt(section: Section, offset: number): number {
  decode(section.readWord(offset), scratch, 0);
  return encodingOf(opOf(scratch[0]!)).format;
}

/** Gives the instruction at an offset another immediate. */
function patch(f: Fixup, offset: number, immediate: number): void {
  decode(f.section.readWord(offset), scratch, 0);
  const w = scratch[0]!;
  f.section.writeWord(offset, encode(opOf(w), rdOf(w), rs1Of(w), rs2Of(w), immediate));
}
