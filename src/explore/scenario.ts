// A scenario: what an exploration is about, as a small file of plain data and task bodies.
//
// It names a host, a guest of a few instructions and the host's tasks; the explorer runs all of them at once in every
// order that its policy can think of. `umbra explore FILE` loads a module whose export `scenario` is one.

import type { KvmExitReason } from '../kvm/index.ts';
import type { InvariantName } from '../oracle/index.ts';
import type { Steps } from '../sched/index.ts';
import type { GuestPaging } from './guestPaging.ts';
import type { World } from './world.ts';

export interface HostShape {
  /** Frames of host memory; default 64. */
  readonly frames?: number;
  /** Pages of the swap device, which is in memory; 0: none. Default 16. */
  readonly swapPages?: number;
  /** CPUs beside those of the vCPU threads, on which the tasks run in turn. Default 1. */
  readonly cpus?: number;
}

export interface VmShape {
  readonly vcpus?: number;
  readonly mmu?: 'shadow' | 'tdp';
  readonly ad?: 'hardware' | 'svade' | 'svadu';
  /** Pages of guest RAM; page 0 holds the code. Default 4. */
  readonly ramPages?: number;
  /** What it is in the process; all but anonymous memory is a shared mapping. Default 'anonymous'. */
  readonly ram?: 'anonymous' | 'shmem' | 'file';
  readonly maxMmuPages?: number;
}

export interface Scenario {
  readonly name: string;
  /** One line: who races with whom. */
  readonly about: string;
  readonly host?: HostShape;
  readonly vm?: VmShape;
  /** Assembly; the thread of vCPU n begins at the symbol `vcpuN` and ends at `done`. Absent: the process runs no VM. */
  readonly guest?: string;
  /** The guest's own page tables, where it has any. */
  readonly paging?: GuestPaging;
  /** Runs alone, before every run's start. */
  readonly setUp?: (world: World) => Steps;
  /**
   * The tasks beside the vCPU threads, by name. Asked once; each run calls every one, with what they share at its start.
   */
  readonly tasks: (world: World) => Readonly<Record<string, () => Steps>>;
  /** How else than at `done` a vCPU may end: exit reasons. */
  readonly mayEnd?: readonly KvmExitReason[];
  /** Pages of RAM that the host's tasks may take from the guest: their contents are not looked at. */
  readonly losesPages?: readonly number[];
  /** The process exits: nothing is left to look at. */
  readonly processGoes?: boolean;
  /** Runs alone when all tasks have ended: reads, and reports what is wrong. */
  readonly finish?: (world: World) => Steps;
  /** What exploring finds in it; default 'pass'. */
  readonly expect?: InvariantName | 'pass';
}
