// npx tsx test/bench/traceSites.ts [PAIRS]: what tracepoints cost while nobody traces.
//
// Two builds of the same sources in one process: as they are, and with every trace site cut out of the text. Both run
// a guest whose host thrashes, a stretch at a time and in turns (A B, B A, ...), so that whatever else this computer
// does hits both alike; the cost comes from the medians of the ratios of pairs, and the quartiles say how sure it is.
// Where they say little, the second line counts: how many sites are passed, and what a null check takes. Nothing here
// decides a test.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Edit, ROOT } from './builds.ts';

const DEFAULT_PAIRS = 100;
const MIB = 2 ** 20;
/** Of each run of a pair: some 100 ms. */
const INSTRUCTIONS = 1_000_000;
const WARM_UP = 12_000_000;
const LOOPS = 20_000_000;

type Umbra = typeof import('../../src/index.ts');

/** A call of a tracepoint, as a statement: up to its closing parenthesis. The machine itself listens to one of them. */
const SITE = /^[ \t]*(?:if \([^\n]*\) )?[\w.()]*\btrace\.(?!try_to_unmap)\w+\?\.\(/gm;
let sites = 0;

function withoutSites(text: string): string {
  let result = '';
  let end = 0;
  for (const match of text.matchAll(SITE)) {
    let depth = 1;
    let at = match.index + match[0].length;
    for (; depth > 0; at++) {
      if (text[at] === '(') depth++;
      if (text[at] === ')') depth--;
    }
    result += `${text.slice(end, match.index)};`;
    end = at + (text[at] === ';' ? 1 : 0);
    sites++;
  }
  return (result + text.slice(end))
    .replace('this.trace === null ? null : this.trace.sched_switch', 'null as never')
    .replace(/if \(this\.trace !== null\) this\.#switches\.woken\([^)]*\);/, '');
}

const ROOMS = /src\/(mm|kvm|notifier|sched|vmm|drivers)\//;

const cut: Edit = (text, path) => (ROOMS.test(path) ? withoutSites(text) : null);

type Machine = ReturnType<Umbra['createMachine']>;

function start(umbra: Umbra, ring: Parameters<Umbra['createMachine']>[0]['ring'] = null): Machine {
  const file = join(ROOT, 'guests/thrash.s');
  const { elf } = umbra.assemble(readFileSync(file, 'utf8'), { file });
  return umbra.createMachine({
    ...umbra.MACHINE_DEFAULTS,
    image: umbra.readProgram(elf, file, 80 * MIB),
    ramBytes: 80 * MIB,
    hostRamBytes: 4 * MIB,
    swap: new umbra.MemorySwapDevice(65536),
    swapBackend: 'memory',
    ring,
  });
}

/** Seconds of processor time until the machine has executed `instructions`. */
function runUpTo(machine: Machine, instructions: number): number {
  const begin = process.cpuUsage();
  machine.runSlice(() => machine.instructions >= instructions);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}

/** ns that a call of a tracepoint takes which nobody listens to: in a loop, less the loop; the worst of five. */
function nsOfNullCheck(): number {
  // Eight, one of which is armed but not called in the loop, so that nothing is known to be null for ever.
  type Points = { site: ((a: number, b: number) => void) | null; next: number };
  const points: Points[] = Array.from({ length: 8 }, (_, next) => ({
    site: next === 7 ? Math.max : null,
    next,
  }));
  const time = (body: (i: number) => number): number => {
    let sum = 0;
    const begin = performance.now();
    for (let i = 0; i < LOOPS; i++) sum += body(i);
    return sum < 0 ? 0 : (performance.now() - begin) * (1e6 / LOOPS);
  };
  const checked = (i: number): number => {
    const point = points[i % 7]!;
    point.site?.(i, i);
    return point.next;
  };
  const plain = (i: number): number => points[i % 7]!.next;
  const rounds = Array.from({ length: 5 }, () => time(checked) - time(plain));
  return Math.max(0, ...rounds);
}

/** What the sites must cost: how often one is passed in a second of running, times the check. */
function bound(umbra: Umbra): string {
  const ring = new umbra.TraceRing(1);
  runUpTo(start(umbra, ring), WARM_UP);
  const seconds = runUpTo(start(umbra), WARM_UP);
  const ns = nsOfNullCheck();
  const percent = (ring.recorded * ns) / seconds / 1e7;
  return `${ring.recorded} passed in ${seconds.toFixed(2)} s, at ${ns.toFixed(2)} ns each: ${percent.toFixed(3)} %`;
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.floor(q * (sorted.length - 1))]!;

/** Times of the first build through those of the second, ascending. */
function ratiosOf(builds: readonly Umbra[], pairs: number): number[] {
  const machines = builds.map((umbra) => start(umbra));
  for (const machine of machines) runUpTo(machine, WARM_UP);
  const ratios: number[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    const seconds = [0, 0];
    for (const i of pair % 2 === 0 ? [0, 1] : [1, 0])
      seconds[i] = runUpTo(machines[i]!, WARM_UP + pair * INSTRUCTIONS);
    ratios.push(seconds[0]! / seconds[1]!);
  }
  const [first, second] = machines.map((machine) => JSON.stringify(machine.statistics()));
  if (first !== second) throw new Error('the two builds come to different results');
  return ratios.toSorted((a, b) => a - b);
}

/** Median and quartiles. */
const shown = (ratios: readonly number[]): string => {
  const [low, median, high] = [0.25, 0.5, 0.75].map((q) => quantile(ratios, q).toFixed(3));
  return `${median}, quartiles ${low} and ${high}`;
};

async function main(): Promise<void> {
  const pairs = Number(process.argv[2] ?? DEFAULT_PAIRS);
  const folder = mkdtempSync(join(tmpdir(), 'umbra-trace-sites-'));
  try {
    const load = (name: string, edit: Edit): Promise<Umbra> => build(folder, name, 'src/index.ts', edit);
    const builds = [await load('with', () => null), await load('without', cut)];
    // The machine that was made first is a little slower, whatever it is: each build has to be.
    const halves = [ratiosOf(builds, pairs / 2), ratiosOf(builds.toReversed(), pairs / 2)];
    const middle = halves.map((ratios) => quantile(ratios, 0.5));
    const percent = (Math.sqrt(middle[0]! / middle[1]!) - 1) * 100;
    process.stdout.write(
      `${sites} trace sites, ${pairs} pairs: untraced they cost ${percent.toFixed(2)} % (one way round ${shown(halves[0]!)}, the other ${shown(halves[1]!)})\n${bound(builds[0]!)}\n`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
