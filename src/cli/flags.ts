// The values of flags: from text to number, or one clear line.
//
// Commander calls these; what they throw it turns into "option '--ram <size>' argument '7' is invalid. ...".

import { InvalidArgumentError, Option } from 'commander';
import { PAGE_SIZE } from '../units.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Bytes as people write them, for messages: "64M". */
export function formatSize(bytes: number): string {
  for (const unit of ['G', 'M', 'K'] as const) {
    if (bytes > 0 && bytes % UNITS[unit]! === 0) return `${bytes / UNITS[unit]!}${unit}`;
  }
  return `${bytes}`;
}

/** A parser of sizes in [least, most]: digits and K, M or G, a whole number of pages. */
export const sizeBetween =
  (least: number, most: number) =>
  (text: string): number => {
    const match = /^(\d+)([KMG]?)$/.exec(text);
    if (match === null) throw new InvalidArgumentError('A size is digits and K, M or G, like 64M.');
    const bytes = Number(match[1]) * UNITS[match[2]!]!;
    if (bytes < least || bytes > most) {
      throw new InvalidArgumentError(`It must be from ${formatSize(least)} to ${formatSize(most)}.`);
    }
    if (bytes % PAGE_SIZE !== 0) throw new InvalidArgumentError('It must be whole pages of 4K.');
    return bytes;
  };

/** An option that takes such a size; its help shows the default as people write it. */
export const sizeOption = (
  flags: string,
  meaning: string,
  least: number,
  most: number,
  value: number,
): Option => new Option(flags, meaning).argParser(sizeBetween(least, most)).default(value, formatSize(value));

/** A parser of whole numbers in [least, most]. */
export const wholeBetween =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };

/** A number of seconds, also a fraction. */
export function positiveSeconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) {
    throw new InvalidArgumentError('It must be a number of seconds above 0.');
  }
  return value;
}

/** A path; an empty one is a mistake in a script. */
export function path(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}
