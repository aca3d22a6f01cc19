// One run of one guest, from settings to report: opens the files, builds the machine, runs it slice by slice, and closes
// everything again.
//
// Called by run.ts and demo.ts. Between slices the event loop turns: Ctrl-C is heard, the console drains, the live line
// is rewritten. How long a slice is depends on the clock, and no result does.

import { createMachine, type Machine, type MachineConfig } from '../machine.ts';
import { MemorySwapDevice, type SwapDevice } from '../mm/index.ts';
import {
  Digest,
  type Interrupt,
  openSwapFile,
  optimiseJavaScript,
  SwapFile,
  sliceTimer,
  turnEventLoop,
} from '../platform/index.ts';
import { TraceRing } from '../trace/index.ts';
import { PAGE_SIZE } from '../units.ts';
import { type ElfImage, InputError } from '../vmm/index.ts';
import { type GdbChoice, GdbServer } from './gdb/server.ts';
import type { RunObserver } from './observer.ts';
import { failureOf } from './outcome.ts';
import { type Ending, endingOf, type RunReport, reportOf, reportWithoutRun } from './report.ts';
import { ReportPage } from './reportPage.ts';
import type { Screen } from './screen.ts';
import type { RunSettings } from './settings.ts';
import { Tracing } from './tracing.ts';
import { bytesInWords } from './words.ts';

export interface SessionOptions {
  readonly image: ElfImage;
  readonly settings: RunSettings;
  readonly screen: Screen;
  /** Whether the report shall have a digest; it costs time. */
  readonly digest: boolean;
  readonly observer?: RunObserver;
}

const RING_RECORDS = 4096;
/** A run that takes no longer is over before V8 could have made JavaScript faster: platform/engineFlags.ts. */
const OPTIMISE_AFTER_MS = 120;

/** Rejects with the error of a file that cannot be used; everything else is in the report. */
export async function runSession(options: SessionOptions): Promise<RunReport> {
  const { settings } = options;
  const page = settings.page === null ? null : new ReportPage(settings.page);
  const trace = settings.trace === null ? null : new Tracing(settings.trace, options.screen.interrupt);
  optimiseJavaScript(false);
  try {
    return await runWithSwap(options, { trace, page });
  } finally {
    optimiseJavaScript(true);
    trace?.close();
    page?.close();
  }
}

/** Files that the run writes. */
interface Outputs {
  readonly trace: Tracing | null;
  readonly page: ReportPage | null;
}

async function runWithSwap(options: SessionOptions, outputs: Outputs): Promise<RunReport> {
  const { settings, screen } = options;
  let swap: SwapDevice | null;
  try {
    swap = await openSwap(settings, screen.interrupt.signal);
  } catch (error) {
    if (!screen.interrupt.isAborted) throw error;
    return reportWithoutRun(interrupted(screen.interrupt), settings);
  }
  try {
    return await runMachine(options, swap, outputs);
  } finally {
    if (swap instanceof SwapFile) swap.close();
  }
}

const interrupted = ({ exitCode }: Interrupt): Ending => ({
  ...endingOf('interrupt', 'interrupted'),
  exitCode,
});

async function openSwap({ swap, swapBytes }: RunSettings, signal: AbortSignal): Promise<SwapDevice | null> {
  switch (swap.backend) {
    case 'file':
      return await openSwapFile({ path: swap.path, bytes: swapBytes, signal });
    case 'memory':
      return new MemorySwapDevice(swapBytes / PAGE_SIZE);
    case 'none':
      return null;
  }
}

async function runMachine(
  options: SessionOptions,
  swap: SwapDevice | null,
  { trace, page }: Outputs,
): Promise<RunReport> {
  const { image, settings, screen } = options;
  const digest = options.digest ? new Digest() : null;
  const ring = ringFor(digest, trace);
  const started = performance.now();
  const machine = buildMachine({
    ...settings,
    image,
    swap,
    swapBackend: settings.swap.backend,
    ring,
    // A digest is one of all events.
    ...(digest === null && trace !== null ? { events: trace.events } : {}),
    console: (bytes) => screen.console.write(bytes),
  });
  trace?.attach(machine.sched, settings.vcpus);
  page?.attach(machine);
  options.observer?.begin?.(machine);
  const ending = await runToTheEnd(machine, options, trace, started);
  const seconds = (performance.now() - started) / 1000;
  options.observer?.end?.(machine);
  ring?.flush();
  trace?.end();
  await trace?.flush();
  trace?.throwIfFailed();
  if (digest !== null) machine.finalState((bytes) => digest.addBytes(bytes));
  const report = reportOf(machine, settings, ending, seconds, digest?.finish() ?? null);
  page?.finish();
  const checked = settings.check === 'off' ? report : checkAtTheEnd(machine, report);
  page?.write(checked);
  return checked;
}

/** Node throws RangeError when it cannot get the memory that stands for the host's. */
function buildMachine(config: MachineConfig): Machine {
  try {
    return createMachine(config);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(`no room for ${bytesInWords(config.hostRamBytes)} of host memory: ${error.message}`);
  }
}

/** Takes the machine down and looks for leaks; whatever the invariants found decides the outcome. */
function checkAtTheEnd(machine: Machine, report: RunReport): RunReport {
  if (report.outcome === 'bug') return report;
  try {
    if (machine.stop !== null && report.outcome !== 'invariant') machine.shutdown();
  } catch (error) {
    return { ...report, ...endingOf('bug', failureOf(error).message) };
  }
  const { points, violations } = machine.check;
  const checked = { ...report, check: { ...report.check, points, violations } };
  return violations.length === 0 ? checked : { ...checked, ...endingOfBroken(machine) };
}

function endingOfBroken({ check }: Machine): Ending {
  const { invariant, message } = check.violations[0]!;
  return endingOf('invariant', `broken invariant ${invariant}: ${message}`);
}

function ringFor(digest: Digest | null, trace: Tracing | null): TraceRing | null {
  if (digest === null && trace === null) return null;
  return new TraceRing(RING_RECORDS, (records) => {
    digest?.addRecords(records);
    trace?.add(records);
  });
}

function endingOfStop({ stop, config }: Machine): Ending {
  if (stop?.crash) return endingOf('crash', stop.crash);
  if (stop?.via) return endingOf(stop.code === 0 ? 'pass' : 'fail', null);
  return endingOf('limit', `the limit of ${config.maxInstructions} instructions is reached`);
}

async function runToTheEnd(
  machine: Machine,
  options: SessionOptions,
  trace: Tracing | null,
  started: number,
): Promise<Ending> {
  const gdb = await openDebugger(machine, options.settings.gdb);
  let ending: Ending;
  try {
    ending = await runSlices(machine, options, trace, gdb, started);
  } catch (error) {
    const { outcome, message } = failureOf(error);
    if (outcome === 'usage') throw error;
    // What breaks after an invariant is its consequence.
    ending = endingOf(machine.check.violations.length > 0 ? 'invariant' : 'bug', message);
  }
  gdb?.finish(ending.exitCode);
  return ending;
}

/** Once there are vCPUs, and before their first instruction. */
async function openDebugger(machine: Machine, choice: GdbChoice | null): Promise<GdbServer | null> {
  if (choice === null) return null;
  const hasThreads = (): boolean => machine.sched.tasks.some(({ name }) => name.startsWith('vcpu/'));
  while (!hasThreads() && machine.stop === null) machine.runSlice(hasThreads);
  return machine.vmm.kvm === null ? null : await GdbServer.open(machine, choice);
}

async function runSlices(
  machine: Machine,
  { settings, observer, screen: { console, liveLine, interrupt } }: SessionOptions,
  trace: Tracing | null,
  gdb: GdbServer | null,
  started: number,
): Promise<Ending> {
  for (;;) {
    await gdb?.pause(interrupt.signal);
    if (gdb?.isKilled) return endingOf('interrupt', 'killed by the debugger');
    const isSliceOver = sliceTimer();
    const state = machine.runSlice(gdb === null ? isSliceOver : () => gdb.isStopped || isSliceOver());
    await console.flush();
    await trace?.flush();
    if (state === 'broken') return endingOfBroken(machine);
    if (state === 'stopped') return endingOfStop(machine);
    trace?.throwIfFailed();
    observer?.between?.(machine);
    liveLine.update(() => machine.progress());
    await turnEventLoop();
    console.throwIfFailed();
    if (interrupt.isAborted) return interrupted(interrupt);
    const elapsed = performance.now() - started;
    if (elapsed >= OPTIMISE_AFTER_MS) optimiseJavaScript(true);
    if (elapsed >= settings.seconds * 1000) {
      return endingOf('limit', `the limit of ${settings.seconds} s is reached`);
    }
  }
}
