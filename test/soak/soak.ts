// A soak: a property with cases without number, each made from a seed, played one after the other for as long as one
// likes; and the loop that plays them.
//
// run.ts plays one at the count that a user asks for, the tests play all of them at a small count. The soaks themselves
// are the other files here (names.ts lists them). Case i of a run has the seed S + i, so that a run of one case from the
// seed of a case that failed plays just that case again.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Soak {
  /** How many of what --count counts a case has; the last case of a run may have fewer. */
  readonly caseSize: number;
  /** Throws when the property does not hold. */
  readonly play: (seed: number, size: number) => void;
  /** What was covered so far, in one line. */
  readonly coverage?: () => string;
}

/** Thrown by who makes a soak that this machine cannot play, with the reason in a line. */
export class Unavailable extends Error {}

export interface Failure {
  readonly seed: number;
  /** What --count must be to play this case alone. */
  readonly size: number;
  readonly error: unknown;
}

export interface SoakRun {
  readonly count: number;
  readonly seed: number;
  readonly onFailure: (failure: Failure) => void;
  /** Told of each case before it is played. */
  readonly onCase?: (seed: number, size: number) => void;
}

const SEEDS = 2 ** 32;
/** Part of the cases after which memory must not grow any more, and by how much it may. */
const WARM_UP = 1 / 4;
const MAX_GROWTH = 64 * 2 ** 20;
/** Fewer cases than this say nothing about memory. */
const MIN_CASES_FOR_MEMORY = 40;

/** The number of failures. */
export function playAll(soak: Soak, { count, seed, onFailure, onCase }: SoakRun): number {
  const cases = Math.ceil(count / soak.caseSize);
  const warm = Math.ceil(cases * WARM_UP);
  let failures = 0;
  let atWarm = 0;
  const fail = (failure: Failure): void => {
    failures++;
    onFailure(failure);
  };
  for (let i = 0; i < cases; i++) {
    const failure = playCase(
      soak,
      (seed + i) % SEEDS,
      Math.min(soak.caseSize, count - i * soak.caseSize),
      onCase,
    );
    if (failure !== null) fail(failure);
    if (i + 1 === warm && cases >= MIN_CASES_FOR_MEMORY) atWarm = memoryInUse();
  }
  if (atWarm === 0) return failures;
  const growth = memoryInUse() - atWarm;
  if (growth > MAX_GROWTH) fail({ seed, size: count, error: new Error(`memory grew by ${growth} bytes`) });
  return failures;
}

function playCase(soak: Soak, seed: number, size: number, onCase: SoakRun['onCase']): Failure | null {
  onCase?.(seed, size);
  try {
    soak.play(seed, size);
    return null;
  } catch (error) {
    return { seed, size, error };
  }
}

/** Bytes of everything that can still be reached. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
