// The oracle of one machine: runs the checks, keeps what they found.
//
// machine.ts asks it between scheduler steps. It stops collecting after a few violations: the first says what broke.

import type { Kvm } from '../kvm/internals.ts';
import type { Host } from '../mm/index.ts';
import { checkClean } from './cleanCheck.ts';
import { checkDevice, type WatchedDevice } from './deviceCheck.ts';
import { checkCharges, checkLeaks, checkMappings, checkPageCaches, checkReferences } from './hostCheck.ts';
import { ProgressWatch } from './progress.ts';
import { checkQuietness } from './quietCheck.ts';
import { checkShadow } from './shadowCheck.ts';
import type { InvariantName, Violation } from './violation.ts';

const MAX_VIOLATIONS = 16;

export class Oracle {
  /** Times that everything was looked at. */
  points = 0;
  readonly violations: Violation[] = [];
  readonly #host: Host;
  readonly #devices = new Map<WatchedDevice, string>();
  readonly #progress = new ProgressWatch();

  constructor(host: Host) {
    this.#host = host;
  }

  readonly report = (invariant: InvariantName, message: string): void => {
    if (this.violations.length >= MAX_VIOLATIONS) return;
    this.violations.push({ invariant, message, step: this.#host.sched.steps });
  };

  /** From now on what `device` can reach is looked at too; null: not any more. */
  watch(device: WatchedDevice, name: string | null): void {
    if (name === null) this.#devices.delete(device);
    else this.#devices.set(device, name);
  }

  /** Looks at everything that can be seen between two steps; null: there is no VM. */
  check(kvm: Kvm | null): void {
    this.points++;
    if (kvm !== null) checkShadow(kvm, this.report);
    checkMappings(this.#host, this.report);
    checkPageCaches(this.#host, this.report);
    checkCharges(this.#host, this.report);
    this.checkDevices();
  }

  /** What the watched devices can reach; cheap enough for after every step. */
  checkDevices(): void {
    for (const [device, name] of this.#devices) checkDevice(device, name, this.report);
  }

  /** As check(), where no task is in the middle of anything. */
  checkQuiet(kvm: Kvm | null): void {
    this.check(kvm);
    checkReferences(this.#host, this.report);
    checkQuietness(this.#host, kvm, this.report);
    checkClean(this.#host, kvm, this.report);
  }

  /** Whether the guest still gets on; to be asked at regular intervals of scheduler steps. */
  checkProgress(kvm: Kvm): void {
    this.#progress.look(kvm, this.#host.sched.steps, this.report);
  }

  /** After everything was torn down. */
  checkLeaks(usedSwapSlots: number): void {
    checkLeaks(this.#host, usedSwapSlots, this.report);
  }
}
