// Input: the statements in the order in which they are assembled, through macro calls and repetitions.
//
// Read by statements.ts one at a time. A stack of frames: the source at the bottom, a frame for each macro call or
// repetition being worked off. Everything that can multiply is counted here, so that no source runs for ever.

import { FatalFault, Fault } from './errors.ts';
import { MAX_EXPANSION, MAX_NESTING, MAX_STATEMENTS } from './limits.ts';
import type { Statement } from './source.ts';

interface Frame {
  readonly statements: readonly Statement[];
  /** .exitm ends a macro's frame and those above it. */
  readonly isMacro: boolean;
  /** Open .if at the frame's start; .exitm closes those opened since. */
  readonly conditions: number;
  index: number;
  roundsLeft: number;
}

export class Input {
  private readonly frames: Frame[];
  private taken = 0;
  private expanded = 0;

  constructor(statements: readonly Statement[]) {
    this.frames = [{ statements, isMacro: false, conditions: 0, index: 0, roundsLeft: 1 }];
  }

  /** The next statement, or undefined at the end of everything. Throws FatalFault. */
  next(): Statement | undefined {
    for (;;) {
      const frame = this.frames.at(-1);
      if (frame === undefined) return undefined;
      if (frame.index < frame.statements.length) return this.take(frame);
      frame.roundsLeft--;
      frame.index = 0;
      if (frame.roundsLeft <= 0) this.frames.pop();
    }
  }

  /** The next statement of the same frame and round, or undefined at its end. Throws FatalFault. */
  nextInFrame(): Statement | undefined {
    const frame = this.frames.at(-1);
    return frame !== undefined && frame.index < frame.statements.length ? this.take(frame) : undefined;
  }

  /** Has `statements` worked off `rounds` times before anything else. Throws Fault. */
  push(
    statements: readonly Statement[],
    rounds: number,
    isMacro: boolean,
    conditions: number,
    index: number,
  ): void {
    if (statements.length === 0 || rounds === 0) return;
    if (this.frames.length > MAX_NESTING) {
      throw new Fault(index, `macros and repetitions are nested more than ${MAX_NESTING} deep`);
    }
    this.frames.push({ statements, isMacro, conditions, index: 0, roundsLeft: rounds });
  }

  /** Counts characters that an expansion produces. Throws FatalFault. */
  charge(characters: number, index: number): void {
    this.expanded += characters;
    if (this.expanded > MAX_EXPANSION) {
      throw new FatalFault(index, `macros expand to more than ${MAX_EXPANSION / 2 ** 20} MiB of text`);
    }
  }

  /** Leaves the innermost macro; returns how many .if were open when it was entered. Throws Fault. */
  exitMacro(index: number): number {
    const depth = this.frames.findLastIndex((frame) => frame.isMacro);
    if (depth === -1) throw new Fault(index, '.exitm is not in a macro');
    const { conditions } = this.frames[depth]!;
    this.frames.length = depth;
    return conditions;
  }

  /** Drops all that is left. */
  stop(): void {
    this.frames.length = 0;
  }

  private take(frame: Frame): Statement {
    if (++this.taken > MAX_STATEMENTS) throw new FatalFault(0, `more than ${MAX_STATEMENTS} statements`);
    return frame.statements[frame.index++]!;
  }
}
