// A stream: a random guest, the machine that it runs on, and what the host does meanwhile; and how one is run to its
// end, in the interpreter or with a translator for which all code is hot.
//
// The soak `streams` makes them from seeds. A stream that ends within its bounds, in a way that is legal for a guest,
// has changed nothing that is not its own (enclosure.ts) and left nothing behind; else runStream() throws. However a
// stream runs, the digest of its result is the same.

import { createHash } from 'node:crypto';
import { CSR_SLOTS, csrOffset, WasmTranslator } from '../../src/hw/hart/index.ts';
import { JUMP_ENTRY_BYTES } from '../../src/hw/hart/translate/dispatcher.ts';
import type { TlbGeometry } from '../../src/hw/tlb/index.ts';
import {
  createMachine,
  type Machine,
  type MachineConfig,
  type MachineStatistics,
} from '../../src/machine.ts';
import { MADV_COLD, MADV_DONTNEED, MADV_PAGEOUT, MemorySwapDevice, madvise } from '../../src/mm/index.ts';
import { Random, type Steps, WaitQueue } from '../../src/sched/index.ts';
import { TraceRing } from '../../src/trace/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import type { StopRecord } from '../../src/vmm/index.ts';
import { Enclosure } from './enclosure.ts';
import { between, oneIn, pick } from './instructionMix.ts';
import { type StreamGuest, streamGuest } from './streamGuest.ts';

const TLB: TlbGeometry = { contexts: 4, dtlbEntries: 16, itlbEntries: 16, l2Entries: 32 };
const TRANSLATOR = {
  hotAt: 1,
  hubsFor: 1e9,
  limits: { instructions: 8192, units: 6, regions: 24, jumpEntries: 64 },
  tlb: TLB,
};

/** All that a stream is, whichever way it runs. */
export interface Stream {
  readonly guest: StreamGuest;
  readonly config: Pick<MachineConfig, 'vcpus' | 'mmu' | 'ad' | 'hostRamBytes' | 'maxInstructions'>;
  readonly swapSlots: number;
  /** Seed of what the host does meanwhile. */
  readonly hostSeed: number;
}

export interface Way {
  readonly translate: boolean;
  /** Fills free frames. */
  readonly canary: bigint;
  /** Instructions until the enclosure looks again. */
  readonly slice: () => number;
  /** For tests of what is checked: tampers with the machine before its harts are guarded. */
  readonly tamper?: (machine: Machine) => void;
}

export interface StreamResult {
  readonly stop: StopRecord;
  /** Instructions that ran in translated code. */
  readonly translated: number;
  /** Of events, counts, final memory, registers and CSRs. */
  readonly digest: string;
  readonly machine: Machine;
  readonly statistics: MachineStatistics;
  readonly enclosure: Enclosure;
}

export function randomStream(random: Random): Stream {
  const vcpus = oneIn(random, 3) ? 2 : 1;
  const ramPages = between(random, 16, 64);
  const frames = oneIn(random, 8) ? between(random, 32, 40) : between(random, 40, 64);
  return {
    guest: streamGuest(random, ramPages, vcpus),
    config: {
      vcpus,
      mmu: pick(random, ['shadow', 'tdp']),
      ad: pick(random, ['hardware', 'hardware', 'svade', 'svadu']),
      hostRamBytes: frames * PAGE_SIZE,
      maxInstructions: pick(random, [200, 500, 1000, 3000]),
    },
    swapSlots: oneIn(random, 16) ? random.below(16) : 128,
    hostSeed: random.next(),
  };
}

/** Steps of the scheduler, for each instruction of a stream and to start with, beyond which it hangs. */
const STEPS_PER_INSTRUCTION = 300;
const STEPS = 200_000;
const STEPS_BETWEEN_CHECKS = 100;

/** Runs the stream to its end and takes everything down; throws when anything is not as it must be. */
export function runStream({ guest, config, swapSlots, hostSeed }: Stream, way: Way): StreamResult {
  const hash = createHash('sha256');
  const ring = new TraceRing(512, (records) => {
    hash.update(records);
  });
  const machine = createMachine({
    ...config,
    image: guest.image,
    ramBytes: guest.ramBytes,
    seed: 1,
    check: 'on',
    swap: swapSlots === 0 ? null : new MemorySwapDevice(swapSlots + 1),
    swapBackend: swapSlots === 0 ? 'none' : 'memory',
    console: () => {},
    ring,
    tlb: TLB,
    translate: false,
  });
  const translatedCount = way.translate ? attachTranslator(machine) : () => 0;
  way.tamper?.(machine);
  const enclosure = new Enclosure({
    host: machine.host,
    harts: machine.harts,
    tlb: TLB,
    jumpBytes: way.translate ? TRANSLATOR.limits.jumpEntries * JUMP_ENTRY_BYTES : 0,
    canary: way.canary,
    slice: way.slice,
  });
  const host = machine.sched.spawn('host', hostTask(machine, new Random(hostSeed)));
  const stop = runToTheEnd(machine, STEPS + config.maxInstructions * STEPS_PER_INSTRUCTION);
  machine.sched.run(() => host.state === 'done');
  enclosure.finish();
  ring.flush();
  const statistics = machine.statistics();
  hash.update(JSON.stringify([stop, statistics, ...machine.harts.map(countsOf)]));
  machine.finalState((bytes) => {
    enclosure.checkPage(bytes);
    hash.update(bytes);
  });
  for (const { block } of machine.harts) hash.update(block.subarray(CSRS, CSRS + CSR_SLOTS.length * 2));
  expectLegal(stop, machine);
  machine.shutdown();
  expectNoViolation(machine);
  return { stop, translated: translatedCount(), digest: hash.digest('hex'), machine, statistics, enclosure };
}

/** Now and then the host takes, or asks for, some pages of the guest. */
function* hostTask(machine: Machine, random: Random): Steps {
  const { sched, vmm, config } = machine;
  const alarm = new WaitQueue(sched, 'host task');
  for (let i = random.below(12); i > 0 && vmm.stop === null; i--) {
    let isDue = false;
    sched.after(between(random, 1, 400), () => {
      isDue = true;
      alarm.wakeAll();
    });
    yield* alarm.until(() => isDue);
    const { kvm } = vmm;
    if (kvm === null || vmm.stop !== null) continue;
    const first = random.below(config.ramBytes / PAGE_SIZE);
    const pages = Math.min(between(random, 1, 16), config.ramBytes / PAGE_SIZE - first);
    const advice = pick(random, [MADV_PAGEOUT, MADV_PAGEOUT, MADV_PAGEOUT, MADV_COLD, MADV_DONTNEED]);
    yield* madvise(kvm.mm, (vmm.ramAddress + first * PAGE_SIZE) as Hva, pages * PAGE_SIZE, advice);
  }
}

const CSRS = csrOffset(CSR_SLOTS[0]) >> 2;

const countsOf = ({ attempted, retired, stats }: Machine['harts'][number]): unknown => [
  attempted,
  retired,
  { ...stats },
];

/** Attaches one that counts what it runs. */
function attachTranslator({ memory, harts }: Machine): () => number {
  const translator = new WasmTranslator(memory, harts[0]!.code, TRANSLATOR);
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

function runToTheEnd(machine: Machine, maxSteps: number): StopRecord {
  let looks = 0;
  const isOver = (): boolean => {
    if (++looks % STEPS_BETWEEN_CHECKS === 0 && machine.vmm.kvm !== null)
      machine.oracle.check(machine.vmm.kvm);
    return looks > maxSteps;
  };
  const state = machine.runSlice(isOver);
  expectNoViolation(machine);
  if (state === 'running') {
    throw new Error(`it hangs: ${machine.instructions} instructions in ${machine.sched.steps} steps`);
  }
  return machine.stop!;
}

function expectNoViolation({ check }: Machine): void {
  const [violation] = check.violations;
  if (violation !== undefined) throw new Error(`${violation.invariant}: ${violation.message}`);
}

/** How a guest may end that was not stopped by a device. */
const ENDINGS = [
  /^hart [01]: [a-z ]+ at the first instruction of its trap handler, 0x[0-9a-f]+$/,
  /^all harts wait for an interrupt that cannot come$/,
  /^out of memory while (running the guest|loading the program): /,
  /^HTIF: the system call block at 0x[0-9a-f]+ lies outside RAM$/,
];

function expectLegal(stop: StopRecord, { instructions, config }: Machine): void {
  if (stop.crash !== null && !ENDINGS.some((ending) => ending.test(stop.crash!))) {
    throw new Error(`the guest ended in no legal way: ${stop.crash}`);
  }
  const isLimit = stop.via === null && stop.crash === null;
  const isExact = isLimit ? instructions === config.maxInstructions : instructions <= config.maxInstructions;
  if (!isExact) throw new Error(`${instructions} of ${config.maxInstructions} instructions were executed`);
}
