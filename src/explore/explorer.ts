// The explorer: runs one scenario again and again, each time in another order, and says what broke.
//
// Lives inside a variant (loader/): its world is instrumented production code, itself it is not. A run is: spawn the
// tasks, let the strategy steer, look at every step, let the scenario finish, look at the end; then back to the start
// by the undo log. What it answers is plain data.
//
// Invariant: a run is a function of the scenario and the schedule: the same schedule gives the same steps and the
// same verdict.

import { mark, reached, rewind, siteOf, undo } from '../journal/index.ts';
import { accesses, type SchedulerState, type Steps, type Task } from '../sched/index.ts';
import { bug } from '../units.ts';
import { NameBook } from './names.ts';
import { Races, raceText } from './races.ts';
import type { Scenario } from './scenario.ts';
import type { Schedule } from './schedule.ts';
import { Steering, type Strategy } from './steering.ts';
import { replayStrategy } from './strategies.ts';
import { brokenTranslation } from './translations.ts';
import { type Found, foundIn, foundViolation } from './verdict.ts';
import { isWeak } from './weakActions.ts';
import { World } from './world.ts';

const isDone = ({ state }: Task): boolean => state === 'done';

/** Steps after which a run is taken to be a livelock: the longest honest ones take some thousands. */
const MAX_STEPS = 20_000;

export interface RunResult {
  readonly found: Found | null;
  /** Steps of all tasks, those included at which nobody was asked. */
  readonly steps: number;
  readonly preemptions: number;
  readonly schedule: Schedule;
}

export class Explorer {
  readonly scenario: Scenario;
  readonly world: World;
  readonly steering = new Steering();
  readonly #start: SchedulerState;
  /** What each of the scenario's tasks does. Made once: what they share goes back to its start with the rest. */
  readonly #bodies: readonly (readonly [name: string, body: () => Steps])[];
  readonly #races = new Races();
  /** The set-up never ends: what every run finds. */
  readonly #stuck: Found | null;
  /** False: nothing is looked at, during a run or after it; to measure what looking costs. */
  looks = true;
  /** False: a data race is nothing to be found, so that what comes of it is. */
  looksForRaces = true;
  /** Memory may be weak where variables are marked; what it does is among what hardware does on its own. */
  weak = false;
  /** Called after each step of a run that is watched. */
  onStep: (() => void) | null = null;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.world = new World(this.steering, scenario);
    const { sched } = this.world;
    this.steering.hardware = this.world.hardware;
    this.steering.goesOn = (point) => sched.goesOn(point);
    this.world.walked = () => this.steering.walked();
    this.world.looked = () => this.steering.looked();
    sched.weak.drained = (kind, object) => this.steering.accessed(kind, object);
    this.steering.clock = () => sched.now + Math.min(sched.nextEventTime, 2 ** 40);
    this.#stuck = this.#setUp();
    this.#bodies = this.#stuck === null ? Object.entries(scenario.tasks(this.world)) : [];
    this.world.contents.mark();
    this.#start = this.world.sched.state;
    mark();
  }

  #setUp(): Found | null {
    const { scenario, world } = this;
    if (scenario.setUp === undefined) return null;
    try {
      world.setUp(scenario.setUp(world));
    } catch (error) {
      const found = foundIn(error);
      if (found.invariant !== 'I9') throw error;
      return found;
    }
    return null;
  }

  /** One run under `strategy`, from the start and back to it. */
  run(strategy: Strategy): RunResult {
    if (this.#stuck !== null) return { found: this.#stuck, steps: 0, preemptions: 0, schedule: [] };
    const { world, steering } = this;
    // The host's own threads come to rest first: that they start up is nobody's race.
    world.host.start();
    let found = this.#caught(() => {
      world.rest('set-up');
      return null;
    });
    steering.begin(strategy);
    const looksForRaces = this.looks && this.looksForRaces;
    if (looksForRaces) this.#races.begin();
    this.#lookForRaces(looksForRaces);
    world.sched.weak.begin(this.weak);
    steering.knowsReads = !this.weak;
    const tasks = this.#spawn();
    found ??= this.#caught(() => this.#play(tasks));
    const { preemptions, deviations: schedule, passed: steps } = steering;
    steering.end();
    this.#lookForRaces(false);
    world.sched.weak.begin(false);
    if (!steering.isPruned && this.looks) found ??= this.#caught(() => this.#finish());
    if (undo.length === 0) bug('the explorer runs code that no loader instrumented');
    this.reset();
    // What broke says more than that something might.
    if (looksForRaces) found ??= this.#dataRace();
    return { found, steps, preemptions, schedule };
  }

  /** What `part` of a run finds, or breaks. */
  #caught(part: () => Found | null): Found | null {
    try {
      return part();
    } catch (error) {
      return foundIn(error);
    }
  }

  #lookForRaces(looks: boolean): void {
    this.steering.races = looks ? this.#races : null;
    accesses.observer = this.steering.races;
  }

  #dataRace(): Found | null {
    const race = this.#races.found;
    if (race === null) return null;
    const object = new NameBook(this.world).object(race.kind, race.object);
    return { invariant: 'I8', message: raceText(race, object) };
  }

  /**
   * Where the run stands that is under way, in words, for who broke it off (platform/breakable.ts); and its schedule so far.
   * '': nobody runs.
   */
  get standing(): { readonly text: string; readonly schedule: Schedule } {
    const { sched } = this.world;
    const task = sched.taskOf(sched.currentId);
    const { file, line } = siteOf(reached.site);
    const place = file === '' ? '' : `, behind the yield at ${file}:${line}`;
    return {
      text: task === null ? '' : `task ${task.name}${place}`,
      schedule: this.steering.deviations.slice(),
    };
  }

  /** Back to the start of every run. */
  reset(): void {
    rewind();
    this.world.contents.rewind();
    this.world.sched.restore(this.#start);
  }

  /** Stops at every point, since who replays may not have learned which of them matter. */
  replay(schedule: Schedule): RunResult & { readonly missed: number } {
    const { steering } = this;
    const strategy = replayStrategy(schedule);
    const stopsEverywhere = steering.stopsEverywhere;
    steering.stopsEverywhere = true;
    const { weak } = this;
    this.weak ||= isWeak(schedule);
    try {
      return { ...this.run(strategy), missed: strategy.missed() };
    } finally {
      steering.stopsEverywhere = stopsEverywhere;
      this.weak = weak;
    }
  }

  /** The tasks of a run: the scenario's, and then the vCPU threads. */
  #spawn(): Task[] {
    const { world } = this;
    const others = this.#bodies.map(([name, body], index) =>
      world.sched.spawn(name, body(), world.cpuOf(index)),
    );
    return [...others, ...world.spawnVcpus()];
  }

  /** Runs the tasks; what broke on the way, or null. */
  #play(tasks: readonly Task[]): Found | null {
    const { world, steering } = this;
    const { sched, oracle } = world;
    const before = sched.steps;
    /** So many of the tasks, from the first on, are known to have ended. */
    let ended = 0;
    let limitReached = false;
    let found: Found | null = null;
    /** Something was written since translations were looked at last: else none can have broken. */
    let isChanged = true;
    const end = sched.run(() => {
      if (sched.steps > before) {
        steering.stepped();
        isChanged ||= steering.hasWritten;
        for (const hart of world.followed) if (hart.stepped()) isChanged = true;
        if (steering.changedTranslation && this.looks && isChanged) {
          isChanged = false;
          found = brokenTranslation(world);
        }
        this.onStep?.();
      }
      limitReached = sched.steps - before > MAX_STEPS;
      while (ended < tasks.length && isDone(tasks[ended]!)) ended++;
      return (
        steering.isPruned ||
        limitReached ||
        found !== null ||
        oracle.violations.length > 0 ||
        ended === tasks.length
      );
    });
    if (found !== null) return found;
    const violation = oracle.violations[0];
    if (violation !== undefined) return foundViolation(violation);
    if (limitReached) return { invariant: 'I9', message: `livelock: no end after ${MAX_STEPS} steps` };
    if (end === 'deadlock')
      return { invariant: 'I9', message: `deadlock: ${sched.describeBlocked().join('; ')}` };
    return null;
  }

  /** When all have ended: the scenario's own checks, then everything that can be seen from outside. */
  #finish(): Found | null {
    const { world, scenario } = this;
    if (scenario.finish !== undefined) world.finish(scenario.finish(world));
    world.rest('finish');
    this.#checkProtocol();
    if (scenario.processGoes !== true) {
      world.oracle.checkQuiet(world.vmOrNull);
      world.contents.checkPages(scenario.losesPages ?? []);
    }
    const violation = world.oracle.violations[0];
    return violation === undefined ? null : foundViolation(violation);
  }

  /** I6: everything that was begun has been ended. I7: whoever has unregistered is called no more. */
  #checkProtocol(): void {
    const { vmOrNull, mm, oracle } = this.world;
    const open = mm.notifierSubscriptions?.activeInvalidateRanges ?? 0;
    const stray = mm.notifierSubscriptions?.list.find((subscription) => subscription.mm === null);
    if (stray !== undefined)
      oracle.report('I7', `client ${stray.id} has unregistered and is still on the list`);
    if (open > 0) oracle.report('I6', `${open} invalidate_range_start without an end`);
    // Who was released between start and end is told of no end.
    if (vmOrNull === null || vmOrNull.vmDead) return;
    const { mmuInvalidateInProgress, mnActiveInvalidateCount } = vmOrNull;
    if (mmuInvalidateInProgress + mnActiveInvalidateCount === 0) return;
    oracle.report('I6', `kvm waits for ${mnActiveInvalidateCount} invalidate_range_end that never came`);
  }
}
