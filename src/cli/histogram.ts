// A histogram in lines of text: words with their counts, or numbers in powers of two with bars, as bpftrace prints them.

const BAR = 40;
/** Up to so many different numbers are counted one by one. */
const MAX_SINGLE = 16;

/** Most frequent first, or by value where they are numbers. */
export function histogram(values: readonly (number | string)[]): string[] {
  const distinct = new Set(values);
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length < values.length || distinct.size <= MAX_SINGLE) return single(values);
  return powers(numbers);
}

function single(values: readonly (number | string)[]): string[] {
  const counts = new Map<number | string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  const width = Math.max(...sorted.map(([value]) => `${value}`.length));
  return sorted.map(([value, count]) => `${`${value}`.padStart(width)}  hitcount: ${count}`);
}

function powers(values: readonly number[]): string[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(exponentOf(value), (counts.get(exponentOf(value)) ?? 0) + 1);
  const exponents = [...counts.keys()];
  const most = Math.max(...counts.values());
  const lines: string[] = [];
  for (let e = Math.min(...exponents); e <= Math.max(...exponents); e++) {
    const count = counts.get(e) ?? 0;
    const bar = '@'.repeat(Math.round((count * BAR) / most)).padEnd(BAR);
    lines.push(`${rangeOf(e).padEnd(20)} ${`${count}`.padStart(8)} |${bar}|`);
  }
  return lines;
}

/** -2: negative, -1: 0, else floor(log2). */
function exponentOf(value: number): number {
  if (value <= 0) return value < 0 ? -2 : -1;
  return Math.floor(Math.log2(value));
}

function rangeOf(exponent: number): string {
  if (exponent < 0) return exponent === -2 ? '(..., 0)' : '[0]';
  if (exponent === 0) return '[1]';
  return `[${short(2 ** exponent)}, ${short(2 ** (exponent + 1))})`;
}

function short(value: number): string {
  for (const [unit, letter] of [
    [2 ** 40, 'T'],
    [2 ** 30, 'G'],
    [2 ** 20, 'M'],
    [2 ** 10, 'K'],
  ] as const) {
    if (value >= unit) return `${value / unit}${letter}`;
  }
  return `${value}`;
}
