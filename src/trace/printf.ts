// printf as the kernel and libtraceevent have it, for numbers, strings and pointers; nothing else is ever traced.
//
// A format is parsed once, when an event is first printed. Numbers are integers of at most 53 bits of magnitude; what is
// negative prints in hexadecimal as 64-bit two's complement.

import { bug } from '../units.ts';

export type Printable = number | string;
type Formatter = (values: readonly Printable[]) => string;

const CONVERSION = /%(?:%|([#0-]*)(\d*)(?:hh|h|ll|l)?(ps|[dcuxXsp]))/g;

/** The function that prints values by `format`. */
export function compileFormat(format: string): Formatter {
  const pieces: (string | ((value: Printable) => string))[] = [];
  let end = 0;
  for (const match of format.matchAll(CONVERSION)) {
    if (match.index > end) pieces.push(format.slice(end, match.index));
    end = match.index + match[0].length;
    pieces.push(match[3] === undefined ? '%' : converter(match[1]!, Number(match[2]), match[3]));
  }
  pieces.push(format.slice(end));
  return (values) => {
    let text = '';
    let next = 0;
    for (const piece of pieces) text += typeof piece === 'string' ? piece : piece(values[next++] ?? 0);
    return text;
  };
}

/** The letters of the conversions of `format`, in order: x, d, s, ... */
export const conversionsOf = (format: string): string[] =>
  [...format.matchAll(CONVERSION)].flatMap(([, , , letter]) => letter ?? []);

function converter(flags: string, width: number, letter: string): (value: Printable) => string {
  const alternate = flags.includes('#');
  const fill = flags.includes('0') ? '0' : ' ';
  const pad = (text: string, prefix = ''): string => {
    if (flags.includes('-')) return (prefix + text).padEnd(width);
    return fill === '0'
      ? prefix + text.padStart(width - prefix.length, '0')
      : (prefix + text).padStart(width);
  };
  switch (letter) {
    case 'x':
      return (value) => pad(hexDigits(value), alternate ? '0x' : '');
    case 'p':
      return (value) => hexDigits(value).padStart(16, '0');
    case 'ps':
      return (value) => `0x${hexDigits(value)}`;
    case 's':
    case 'd':
    case 'u':
      return (value) => pad(letter === 'u' ? unsignedDigits(value) : String(value));
    default:
      return bug('a conversion that no event uses', { letter });
  }
}

const unsignedDigits = (value: Printable): string =>
  typeof value === 'number' && value < 0 ? BigInt.asUintN(64, BigInt(value)).toString() : String(value);

/** A 64-bit word in hexadecimal, without 0x; a string is digits already. */
export function hexDigits(value: Printable): string {
  if (typeof value === 'string') return value;
  if (value >= 0) return value.toString(16);
  const lo = (value >>> 0).toString(16).padStart(8, '0');
  return (Math.floor(value / 2 ** 32) >>> 0).toString(16) + lo;
}
