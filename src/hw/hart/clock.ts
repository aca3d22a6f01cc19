// The board's clock, as one hart sees it: what the time CSR and the supervisor timer go by.
//
// vmm.ts gives each hart one; hart.ts puts what translated code needs of it into the vCPU block at the start of a run.
//
// Invariant: a clock is a function of guest progress, never of the host's time.

export interface Clock {
  /** What the time CSR shows at virtual time `ns`: ticks, exact below 2^53. */
  readonly timeAt: (ns: number) => number;
  /** Virtual ns when the hart had attempted nothing, if it had run all the time: constant while a run is under way. */
  readonly origin: () => number;
  /** ns per tick if timeAt() is a division by it and nothing else; 0 if it is more than that. */
  readonly tick: () => number;
}

/** Of a hart that has no board. */
export const STOPPED: Clock = { timeAt: () => 0, origin: () => 0, tick: () => 0 };
