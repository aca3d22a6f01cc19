// Runs a program of guests/ in this process: source in, what it printed, how it ended and the digest of the run out.
//
// The tests here and the soak (matrix.ts) share it, so nothing in it needs vitest. A program can be run smaller than it
// is: the .equ lines at its top are its parameters.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../src/asm/index.ts';
import { WasmTranslator } from '../../src/hw/hart/index.ts';
import { DEFAULT_TLB } from '../../src/hw/tlb/index.ts';
import {
  createMachine,
  type Machine,
  type MachineConfig,
  type MachineStatistics,
} from '../../src/machine.ts';
import { MemorySwapDevice } from '../../src/mm/index.ts';
import { Digest } from '../../src/platform/index.ts';
import { TraceRing } from '../../src/trace/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { readProgram, type StopRecord } from '../../src/vmm/index.ts';
import { type GuestHeader, parseHeader } from './header.ts';

const FOLDER = join(import.meta.dirname, '../../guests');

export const GUEST_FILES: readonly string[] = readdirSync(FOLDER).sort();
export const GUEST_NAMES: readonly string[] = GUEST_FILES.map((file) => file.replace(/\.s$/, ''));

export interface GuestProgram {
  readonly name: string;
  readonly header: GuestHeader;
  readonly elf: Uint8Array;
}

/** Values for `.equ` lines, and what else the header must say then. */
export interface Smaller {
  readonly equ: Readonly<Record<string, number>>;
  readonly header?: Partial<GuestHeader>;
}

/** A program as it is, or made smaller. */
export function loadGuest(name: string, smaller?: Smaller): GuestProgram {
  const declared = readFileSync(join(FOLDER, `${name}.s`), 'utf8');
  const source = Object.entries(smaller?.equ ?? {}).reduce(withEqu, declared);
  const header = { ...parseHeader(declared), ...smaller?.header };
  return { name, header, elf: assemble(source, { file: `${name}.s` }).elf };
}

function withEqu(source: string, [symbol, value]: [string, number]): string {
  const parts = source.split(new RegExp(`(?<=^ *\\.equ +${symbol}, ).*$`, 'm'));
  if (parts.length !== 2) throw new Error(`${parts.length - 1} lines '.equ ${symbol}, ...', not one`);
  return parts.join(String(value));
}

export interface RunOptions extends Partial<MachineConfig> {
  /** When a slice is over, asked after each scheduler step; default: never. */
  readonly isOver?: () => boolean;
  /** Called once, when there is a VM and before its guest runs. */
  readonly whenCreated?: (machine: Machine) => void;
  /** All code is translated when it first runs, and no more than so many units of it are kept. */
  readonly keptUnits?: number;
}

export interface GuestRun {
  readonly machine: Machine;
  readonly stop: StopRecord;
  readonly text: string;
  readonly instructions: number;
  readonly statistics: MachineStatistics;
  /** Of all events, the final memory and the registers. */
  readonly digest: string;
  /** With `keptUnits`: the instructions that ran translated. */
  readonly translated: number;
}

export interface StartedGuest {
  readonly machine: Machine;
  /** As the machine's, but throws when the guest hangs. */
  readonly runSlice: (isOver: () => boolean) => 'running' | 'stopped' | 'broken';
  /** Runs on to the end, takes the machine down, and looks for leaks. Throws when an invariant broke on the way. */
  readonly finish: () => GuestRun;
}

/**
 * As `umbra run` has by default; with less than twice what is swapped, the host keeps no slot of a page that came back.
 */
const SWAP_BYTES = 256 * 2 ** 20;
/** No guest needs half of these. */
const MAX_STEPS = 5_000_000;
const MAX_INSTRUCTIONS = 2_000_000_000;

/** A machine for `program`, as the header wants it and with the least host memory, unless `options` say otherwise. */
export function startGuest(program: GuestProgram, options: RunOptions = {}): StartedGuest {
  const { isOver = () => false, whenCreated, keptUnits, ...config } = options;
  const { header } = program;
  const digest = new Digest();
  const printed: Uint8Array[] = [];
  const ring = new TraceRing(4096, (records) => digest.addRecords(records));
  const ramBytes = config.ramBytes ?? header.ramBytes;
  const machine = createMachine({
    image: readProgram(program.elf, program.name, ramBytes),
    ramBytes,
    hostRamBytes: header.hostRamBytes,
    vcpus: header.vcpus,
    mmu: 'shadow',
    ad: 'hardware',
    seed: 1,
    check: 'on',
    swap: new MemorySwapDevice(SWAP_BYTES / PAGE_SIZE),
    swapBackend: 'memory',
    console: (bytes) => printed.push(bytes.slice()),
    ring,
    maxInstructions: MAX_INSTRUCTIONS,
    ...config,
    ...(keptUnits === undefined ? {} : { translate: false }),
  });
  const translated = keptUnits === undefined ? () => 0 : attachHastyTranslator(machine, keptUnits);
  const runSlice: StartedGuest['runSlice'] = (isOverNow) => {
    const state = machine.runSlice(() => machine.sched.steps > MAX_STEPS || isOverNow());
    if (machine.sched.steps <= MAX_STEPS) return state;
    throw new Error(`it hangs: ${machine.instructions} instructions in ${MAX_STEPS} scheduler steps`);
  };
  if (whenCreated !== undefined) {
    runSlice(() => machine.vmm.kvm !== null);
    whenCreated(machine);
  }
  const finish = (): GuestRun => {
    const { violations } = machine.check;
    while (runSlice(() => violations.length > 0 || isOver()) === 'running') {
      if (violations.length > 0) throw new Error(`it broke ${JSON.stringify(violations[0])}`);
    }
    ring.flush();
    machine.finalState((bytes) => digest.addBytes(bytes));
    const { instructions } = machine;
    const [stop, statistics] = [machine.stop!, machine.statistics()];
    machine.shutdown();
    const text = Buffer.concat(printed).toString();
    return {
      machine,
      stop,
      text,
      instructions,
      statistics,
      digest: digest.finish(),
      translated: translated(),
    };
  };
  return { machine, runSlice, finish };
}

export const runGuest = (program: GuestProgram, options?: RunOptions): GuestRun =>
  startGuest(program, options).finish();

/** To a machine without a translator; the answer counts what it runs. */
function attachHastyTranslator({ memory, harts }: Machine, units: number): () => number {
  const limits = { instructions: 8192, units, regions: 16 + 2 * units, jumpEntries: 16 };
  const translator = new WasmTranslator(memory, harts[0]!.code, {
    hotAt: 1,
    hubsFor: 10_000,
    limits,
    tlb: DEFAULT_TLB,
  });
  for (const hart of harts) translator.attach(hart);
  const enter = translator.enter.bind(translator);
  let count = 0;
  translator.enter = (hart) => {
    const before = hart.attempted;
    const reason = enter(hart);
    count += hart.attempted - before;
    return reason;
  };
  return () => count;
}
