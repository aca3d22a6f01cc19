// What the code of a scenario can hang: run so that Ctrl-C ends it, and told of when it takes long.
//
// A task, a set-up or a check that loops without a yield gives control to nobody (platform/breakable.ts). Time decides no
// verdict: it is only said that there is no progress, and, when the user breaks off, where it stood.

import { replayCommand, type Variant } from '../exploration.ts';
import type { Explorer } from '../explore/index.ts';
import { type Interrupt, Interrupted, Watch } from '../platform/index.ts';

/** No piece of work takes so long that has not hung, ms. */
export const LONG_MS = 5000;
/** What was broken off sooner may just have been at work. */
const SHORT_MS = 500;

export const looping = (name: string, whose: string): string =>
  `umbra: ${name}: ${whose} makes no progress: does it loop without a yield? Ctrl-C ends it\n`;

export class BreakingOff {
  readonly #name: string;
  readonly #variant: Variant;
  readonly #interrupt: Interrupt;
  readonly #watch: Watch | null;
  #explorer: Explorer | null = null;

  /** `isWatched`: what takes long is told of. */
  constructor(name: string, variant: Variant, interrupt: Interrupt, isWatched: boolean) {
    this.#name = name;
    this.#variant = variant;
    this.#interrupt = interrupt;
    this.#watch = isWatched ? new Watch(looping(name, 'a run'), LONG_MS) : null;
  }

  /** Builds the explorer, which runs the set-up. Throws Interrupted. */
  explorer(): Explorer {
    this.#explorer = this.run('in its set-up', () => new this.#variant.Explorer(this.#variant.scenario));
    return this.#explorer;
  }

  /** Calls `work`; `when` it may be broken off, in words. Throws Interrupted, and has said where it stood. */
  run<T>(when: string, work: () => T, milliseconds?: number): T {
    const begun = performance.now();
    this.#watch?.begin();
    try {
      return this.#interrupt.breaks(work, milliseconds);
    } catch (error) {
      const took = performance.now() - begun;
      if (error instanceof Interrupted && took > SHORT_MS) this.#tell(when, took);
      throw error;
    } finally {
      this.#watch?.end();
    }
  }

  #tell(when: string, took: number): void {
    const after = `broken off ${when}, after ${(took / 1000).toFixed(1)} s`;
    process.stderr.write(
      `umbra: ${this.#name}: ${after}${standing(this.#variant, this.#explorer, this.#name)}\n`,
    );
  }

  dispose(): void {
    this.#watch?.dispose();
  }
}

/** Where a run stood that was broken off, in words, and what runs it again. */
export function standing(variant: Variant, explorer: Explorer | null, name: string): string {
  const { text, schedule } = explorer?.standing ?? { text: '', schedule: [] };
  if (text === '') return '';
  return `: ${text}; ${replayCommand(variant, name, variant.formatSchedule(schedule))}`;
}
