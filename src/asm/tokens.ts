// Tokens: cuts the operands of a statement into tokens.
//
// Called by cursor.ts, one token at a time, so that a statement of any length takes little memory. Numbers become
// 64-bit BigInts here and string escapes bytes; everything else is left to the parsers.

import { Fault } from './errors.ts';
import { afterCharacter, afterString } from './source.ts';

/** `local` is a reference to a numeric label, such as 1b or 2f. */
export type TokenKind = 'name' | 'number' | 'local' | 'string' | 'punctuation' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written; a string without its quotes. */
  readonly text: string;
  /** Of a number or character constant. */
  readonly value: bigint;
  /** Where it begins and ends in the statement's text. */
  readonly index: number;
  readonly end: number;
}

const BLANK = /[ \t\f\v]*/y;
const NAME = /[A-Za-z_.$][\w.$]*/y;
const LOCAL = /\d{1,9}[bf](?![\w.$])/y;
const NUMBER = /\d\w*/y;
const PUNCTUATION = /<<|>>|<=|>=|==|!=|<>|&&|\|\||[-+*/%&|^~!<>=(),:@]/y;

/** Longer than any literal of 64 bits. */
const MAX_DIGITS = 80;

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** The first token of text[from..]; at the end of the text one of kind `end`. Throws Fault. */
export function nextToken(text: string, from: number): Token {
  const at = afterBlanks(text, from);
  if (at < text.length) return tokenAt(text, at);
  return { kind: 'end', text: 'the end of the statement', value: 0n, index: at, end: at };
}

function afterBlanks(text: string, at: number): number {
  BLANK.lastIndex = at;
  BLANK.test(text);
  return BLANK.lastIndex;
}

function tokenAt(text: string, at: number): Token {
  const name = matchAt(NAME, text, at);
  if (name !== undefined) return token('name', name, at);
  const local = matchAt(LOCAL, text, at);
  if (local !== undefined) return token('local', local, at);
  const number = matchAt(NUMBER, text, at);
  if (number !== undefined) return token('number', number, at, numberValue(number, at));
  const punctuation = matchAt(PUNCTUATION, text, at);
  if (punctuation !== undefined) return token('punctuation', punctuation, at);
  if (text[at] === '"') return stringAt(text, at);
  if (text[at] === "'") return characterAt(text, at);
  throw new Fault(at, `unexpected character ${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))}`);
}

function token(kind: TokenKind, text: string, index: number, value = 0n): Token {
  return { kind, text, value, index, end: index + text.length };
}

function numberValue(text: string, index: number): bigint {
  const prefix = text.slice(0, 2).toLowerCase();
  const octal = /^0\d/.test(text);
  const valid = /^(0x[\da-f]+|0b[01]+|0[0-7]*|[1-9]\d*)$/i.test(text);
  if (!valid || text.length > MAX_DIGITS) throw new Fault(index, `bad number '${text.slice(0, MAX_DIGITS)}'`);
  const value = octal
    ? BigInt(`0o${text.slice(1)}`)
    : BigInt(prefix === '0x' || prefix === '0b' ? text.toLowerCase() : text);
  if (value >= 1n << 64n) throw new Fault(index, `number '${text}' has more than 64 bits`);
  return value;
}

function stringAt(text: string, at: number): Token {
  const end = afterString(text, at);
  if (end - at < 2 || text[end - 1] !== '"' || endsEscaped(text, at, end))
    throw new Fault(at, 'unterminated string');
  return { kind: 'string', text: text.slice(at + 1, end - 1), value: 0n, index: at, end };
}

/** True if the quote at end - 1 is the second character of an escape. */
function endsEscaped(text: string, at: number, end: number): boolean {
  let backslashes = 0;
  while (end - 2 - backslashes > at && text[end - 2 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

function characterAt(text: string, at: number): Token {
  const end = afterCharacter(text, at);
  const closed = end - at > 2 && text[end - 1] === "'" && (text[at + 1] !== '\\' || end - at > 3);
  const bytes = stringBytes(text.slice(at + 1, closed ? end - 1 : end), at + 1);
  if (bytes.length !== 1) throw new Fault(at, 'a character constant must be one byte');
  return { kind: 'number', text: text.slice(at, end), value: BigInt(bytes[0]!), index: at, end };
}

const ESCAPES: Readonly<Record<string, number>> = {
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  "'": 39,
  '\\': 92,
};

const ESCAPE = /\\(?:([0-7]{1,3})|[xX]([\da-fA-F]+)|(.))/sy;

/** The bytes of a string's text (UTF-8), escapes resolved as in C; `index` is where the text stands. Throws Fault. */
export function stringBytes(text: string, index: number): Uint8Array {
  if (!text.includes('\\')) return new TextEncoder().encode(text);
  const bytes = new Uint8Array(text.length * 3);
  let size = 0;
  let at = 0;
  while (at < text.length) {
    const next = text.indexOf('\\', at);
    const end = next === -1 ? text.length : next;
    size += new TextEncoder().encodeInto(text.slice(at, end), bytes.subarray(size)).written;
    if (next === -1) break;
    const resolved = escapeAt(text, end, index);
    bytes[size++] = resolved.byte;
    at = end + resolved.length;
  }
  return bytes.subarray(0, size);
}

function escapeAt(text: string, at: number, index: number): { byte: number; length: number } {
  ESCAPE.lastIndex = at;
  const match = ESCAPE.exec(text);
  if (match === null) throw new Fault(index + at, 'a string cannot end with a backslash');
  const [all, octal, hexadecimal, letter] = match;
  if (octal !== undefined) return { byte: Number.parseInt(octal, 8) & 0xff, length: all.length };
  if (hexadecimal !== undefined)
    return { byte: Number.parseInt(hexadecimal.slice(-2), 16), length: all.length };
  const byte = ESCAPES[letter!];
  if (byte === undefined) throw new Fault(index + at, `unknown escape '\\${letter}'`);
  return { byte, length: all.length };
}
