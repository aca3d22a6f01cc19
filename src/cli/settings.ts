// The settings of a run, as the flags of `umbra run` and the demo give them.

import { MACHINE_DEFAULTS } from '../machine.ts';
import type { ThpEnabled } from '../mm/index.ts';
import type { GdbChoice } from './gdb/server.ts';
import type { PageRequest } from './reportPage.ts';
import type { TraceRequest } from './tracing.ts';

export interface RunSettings {
  readonly ramBytes: number;
  readonly hostRamBytes: number;
  /** memory.max of the VMM's process; Infinity: none. */
  readonly memoryMaxBytes: number;
  readonly swap: SwapChoice;
  readonly swapBytes: number;
  readonly vcpus: number;
  readonly mmu: 'shadow' | 'tdp';
  /** transparent_hugepage/enabled of the host. */
  readonly thp: ThpEnabled;
  readonly ad: 'hardware' | 'svade' | 'svadu';
  readonly seed: number;
  readonly maxInstructions: number;
  /** Wall-clock limit. */
  readonly seconds: number;
  readonly check: 'off' | 'on' | 'tlb';
  /** What is traced, or null. */
  readonly trace: TraceRequest | null;
  /** The page that shows the run, or null. */
  readonly page: PageRequest | null;
  /** A GDB server, or null. */
  readonly gdb: GdbChoice | null;
}

/** A file (null: a temporary one), memory, or no swap at all. */
export type SwapChoice =
  | { readonly backend: 'file'; readonly path: string | null }
  | { readonly backend: 'memory' }
  | { readonly backend: 'none' };

const { ramBytes, hostRamBytes, vcpus, mmu, ad, seed, check, maxInstructions } = MACHINE_DEFAULTS;

export const DEFAULT_SETTINGS: RunSettings = {
  ramBytes,
  hostRamBytes,
  memoryMaxBytes: Number.POSITIVE_INFINITY,
  swap: { backend: 'file', path: null },
  swapBytes: 256 * 2 ** 20,
  vcpus,
  mmu,
  thp: 'never',
  ad,
  seed,
  maxInstructions,
  seconds: Number.POSITIVE_INFINITY,
  check,
  trace: null,
  page: null,
  gdb: null,
};
