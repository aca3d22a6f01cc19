// Compares what a script answered with what was recorded, at four levels that include each other:
//
// data    results, values, signals;
// vma     also the VMAs, with neighbours joined that describe one object;
// pages   also which pages are there: anonymous ones exactly, the zero page as nothing, file pages not at all;
// strict  everything, as it was printed.

export const LEVELS = ['data', 'vma', 'pages', 'strict'] as const;
export type Level = (typeof LEVELS)[number];

type Row = [number, number, string, string, string, number, string];
interface RecordLine {
  readonly vmas: readonly Row[];
  readonly pages: string;
  readonly child?: RecordLine;
  readonly [key: string]: unknown;
}

const DATA_KEYS = ['proc', 'op', 'err', 'ret', 'val', 'sig', 'code', 'done', 'data', 'status'];

function joined(rows: readonly Row[]): readonly Row[] {
  const out: Row[] = [];
  for (const row of rows) {
    const [start, pages, prot, sharing, object, offset, flags] = row;
    const last = out.at(-1);
    const continues =
      last !== undefined &&
      last[0] + last[1] === start &&
      last[2] === prot &&
      last[3] === sharing &&
      last[4] === object &&
      last[6] === flags &&
      (object === 'anon' || last[5] + last[1] === offset);
    if (continues) last[1] += pages;
    else out.push([...row]);
  }
  return out;
}

function project(line: RecordLine, level: Level): Record<string, unknown> {
  if (level === 'strict') return line;
  const seen: Record<string, unknown> = {};
  for (const key of DATA_KEYS) seen[key] = line[key];
  if (level === 'data') return seen;
  seen.vmas = joined(line.vmas);
  if (level === 'pages') seen.pages = line.pages.replace(/[zFf]/g, '-');
  if (line.child !== undefined) seen.child = project(line.child, level);
  return seen;
}

/** The first difference in words, or null. */
export function firstDifference(
  golden: readonly string[],
  got: readonly string[],
  level: Level,
): string | null {
  for (const [i, expected] of golden.entries()) {
    const line = got[i];
    if (line === undefined) return `op ${i} is missing`;
    const [a, b] = [expected, line].map((text) => project(JSON.parse(text) as RecordLine, level));
    const keys = [...new Set([...Object.keys(a!), ...Object.keys(b!)])];
    const differing = keys.filter((key) => JSON.stringify(a![key]) !== JSON.stringify(b![key]));
    if (differing.length > 0) {
      const values = differing.map(
        (key) => `${key} ${JSON.stringify(a![key])} not ${JSON.stringify(b![key])}`,
      );
      return `op ${i} ${String(a!.op)}: ${values.join('; ')}`;
    }
  }
  return got.length > golden.length ? `${got.length - golden.length} records too many` : null;
}
