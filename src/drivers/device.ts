// What all device MMUs have in common: where their TLBs stand among the points, and how they are looked at.

import type { Hva, Pfn } from '../units.ts';

/** What a device can reach without asking anybody. */
export interface DeviceEntry {
  readonly address: Hva;
  readonly pfn: Pfn;
  readonly writable: boolean;
}

/** What at.tlb() announces of a device: above all CPUs. */
export const deviceTlbPoint = (id: number): number => 32 + id;
