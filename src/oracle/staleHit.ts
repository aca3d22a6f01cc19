// A TLB hit that the tables no longer support, as a violation of I1: machine.ts has harts report these where every hit is
// walked again (hw/hart/checker.ts).

import type { StaleHit } from '../hw/hart/index.ts';
import { hex } from '../units.ts';
import type { Report } from './violation.ts';

const ACCESS_NAMES = ['load', 'store', 'fetch'] as const;

export function reportStaleHit(hit: StaleHit, report: Report): void {
  const { hart, kind, access, regime, page, pfn, walked } = hit;
  const space = regime.paged ? `root ${hex(regime.root)}` : 'guest physical';
  const now = walked === null ? 'a walk finds none' : `a walk finds frame ${hex(walked)}`;
  const what = `${ACCESS_NAMES[access]} hit a stale ${kind} TLB entry: ${hex(page)} (${space}) -> frame ${hex(pfn)}`;
  report('I1', `vcpu ${hart}: ${what}, ${now}: a flush is missing`);
}
