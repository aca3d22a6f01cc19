// Why the guest stopped, as a value: devices and vCPU threads write it once (board.ts), machine.ts and cli/ read it.

export interface StopRecord {
  /** The device by which the guest ended itself; null when it was stopped. */
  readonly via: 'htif' | 'finisher' | null;
  /** The guest's own value: 0 is success. */
  readonly code: number;
  /** What crashed the guest, in words; null when nothing did. */
  readonly crash: string | null;
  /** Anything else worth a line: a reset, a failure without a code. */
  readonly reason: string | null;
}

export const exited = (via: 'htif' | 'finisher', code: number, reason: string | null = null): StopRecord => ({
  via,
  code,
  crash: null,
  reason,
});

export const crashed = (crash: string): StopRecord => ({ via: null, code: 0, crash, reason: null });

export const stoppedByLimit = (): StopRecord => ({
  via: null,
  code: 0,
  crash: null,
  reason: 'instruction limit',
});
