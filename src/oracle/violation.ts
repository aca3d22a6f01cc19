// A broken invariant, as a value: which one, what was seen, and when.

/** The design's invariants, and the leak checks at the end of a run. */
export type InvariantName = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'leak';

export interface Violation {
  readonly invariant: InvariantName;
  readonly message: string;
  /** Scheduler step at which it was seen. */
  readonly step: number;
}

export type Report = (invariant: InvariantName, message: string) => void;
