// umbra replay: runs one schedule of a scenario or of a museum exhibit again, and prints its steps.

import { Command } from 'commander';
import { exhibitByName } from '../exhibits/index.ts';
import { buildOf, loadScenario, replayCommand, thrownBy, type Variant } from '../exploration.ts';
import { counterexample, type Explorer, type RunResult, type Schedule } from '../explore/index.ts';
import { Interrupt } from '../platform/index.ts';
import { lanesPageOf } from '../report/index.ts';
import { TraceRing } from '../trace/index.ts';
import { InputError } from '../vmm/index.ts';
import { BreakingOff } from './breakingOff.ts';
import { path, wholeBetween } from './flags.ts';
import type { RunObserver } from './observer.ts';
import { EXIT_CODES } from './outcome.ts';
import { type TraceRequest, Tracing } from './tracing.ts';
import { writePage } from './writePage.ts';

const RING_RECORDS = 4096;

interface ReplayFlags {
  readonly build?: number;
  readonly full?: true;
  readonly html?: string;
  readonly json?: true;
}

export function command(exit: (code: number) => void, observer: RunObserver = {}): Command {
  return new Command('replay')
    .argument('<scenario>', 'a scenario by name or file, or an exhibit of the museum')
    .argument('<schedule>', "as explore prints it: 'vcpu0:14>reclaim', or - for no switch")
    .option(
      '--build <n>',
      'what the schedule is of, as explore prints it: another is refused',
      wholeBetween(0, 2 ** 32 - 1),
    )
    .option('--full', 'print every step')
    .option('--json', 'print the steps as one line of JSON')
    .option('--html <file>', 'write a page that shows the steps', path)
    .action(async (scenario: string, schedule: string, flags: ReplayFlags) =>
      exit(
        await replay(scenario, schedule, flags, observer).catch((error: unknown) => {
          throw thrownBy(exhibitByName(scenario)?.scenario ?? scenario, error);
        }),
      ),
    );
}

async function replay(
  name: string,
  text: string,
  flags: ReplayFlags,
  { trace }: RunObserver,
): Promise<number> {
  const exhibit = exhibitByName(name);
  const variant = await loadScenario(exhibit?.scenario ?? name, exhibit?.edits);
  checkBuild(variant, name, flags.build);
  const interrupt = new Interrupt();
  const work = new BreakingOff(name, variant, interrupt, true);
  try {
    return await replayIn(work, variant, name, text, flags, trace);
  } finally {
    work.dispose();
    interrupt.dispose();
  }
}

async function replayIn(
  work: BreakingOff,
  variant: Variant,
  name: string,
  text: string,
  flags: ReplayFlags,
  trace: RunObserver['trace'],
): Promise<number> {
  const explorer = work.explorer();
  const schedule = variant.parseSchedule(text);
  const { missed } = work.run('in its run', () => explorer.replay(schedule));
  if (missed > 0) {
    throw new InputError(
      `the schedule does not fit ${name}: ${missed} of its ${schedule.length} switches find no place`,
    );
  }
  if (trace !== undefined) {
    const { found } = await traced(explorer, schedule, trace);
    return found === null ? EXIT_CODES.pass : EXIT_CODES.fail;
  }
  const lanes = work.run('in its run', () => variant.traceRun(explorer, schedule));
  const command = replayCommand(variant, name, text);
  if (flags.html !== undefined)
    writePage(flags.html, lanesPageOf({ ...lanes, scenario: name, replay: command }));
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ schema: 'umbra.replay/1', scenario: name, ...lanes })}\n`);
  else {
    process.stdout.write(
      counterexample(lanes, {
        replay: command,
        twin: null,
        how: 'replay',
        formatSchedule: variant.formatSchedule,
        full: flags.full === true,
      }),
    );
  }
  return lanes.found === null ? EXIT_CODES.pass : EXIT_CODES.fail;
}

/** Throws InputError for a schedule of other sources, or of another scenario: what it would show means nothing. */
function checkBuild(variant: Variant, name: string, wanted: number | undefined): void {
  const build = buildOf(variant);
  if (wanted === undefined || wanted === build) return;
  throw new InputError(
    `the schedule is of build ${wanted} of ${name}, and this is build ${build}: explore it again`,
  );
}

/** Runs the schedule once more, and writes what its tracepoints say. Throws FileError. */
async function traced(explorer: Explorer, schedule: Schedule, request: TraceRequest): Promise<RunResult> {
  const { world } = explorer;
  const interrupt = new Interrupt();
  const tracing = new Tracing(request, interrupt);
  try {
    const ring = new TraceRing(RING_RECORDS, (records) => tracing.add(records));
    tracing.attach(world.sched, world.host.cpus.length);
    world.trace.attachRing(ring, request.events);
    world.sched.trace = world.trace.points;
    // After the run nobody knows the names of its tasks any more.
    explorer.onStep = () => ring.flush();
    const result = explorer.replay(schedule);
    tracing.end();
    await tracing.flush();
    tracing.throwIfFailed();
    return result;
  } finally {
    tracing.close();
    interrupt.dispose();
  }
}
