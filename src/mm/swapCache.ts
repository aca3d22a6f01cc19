import type { Steps } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import type { Host } from './host.ts';
export function* folioFreeSwap(_host: Host, _pfn: Pfn): Steps<boolean> {
  return false;
}
export function* freeSwapCache(_host: Host, _pfn: Pfn): Steps {}
export function* freeSwapAndCache(_host: Host, _slot: number): Steps {}
