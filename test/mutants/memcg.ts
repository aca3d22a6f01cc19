// Mutants of memory cgroups: who is charged for a page or a slot, until when, and where the limit is looked at.

import { type Mutant, mutant } from './mutant.ts';

export const MEMCG: readonly Mutant[] = [
  mutant(
    "a page that is charged for is nobody's",
    'mm/memcg/memcgCharge.ts',
    '  commitCharge(host, pfn, memcg);\n',
    '',
  ),
  mutant(
    'a page that is freed stays charged',
    'mm/memcg/memcontrol.ts',
    '  folioMemcg(host, pfn)?.memory.uncharge(host.frames.nrPages(pfn));\n',
    '',
  ),
  mutant(
    'a page that is freed is uncharged twice',
    'mm/memcg/memcontrol.ts',
    '  folioMemcg(host, pfn)?.memory.uncharge(host.frames.nrPages(pfn));\n',
    '  folioMemcg(host, pfn)?.memory.uncharge(2 * host.frames.nrPages(pfn));\n',
  ),
  mutant(
    'a page that moves leaves its charge behind',
    'mm/memcg/memcontrol.ts',
    '  frames.memcg[to] = frames.memcg[from]!;\n  frames.memcg[from] = 0;\n',
    '  frames.memcg[to] = frames.memcg[from]!;\n',
  ),
  mutant(
    "a page that moves is nobody's",
    'mm/memcg/memcontrol.ts',
    '  frames.memcg[to] = frames.memcg[from]!;\n  frames.memcg[from] = 0;\n',
    '  frames.memcg[to] = 0;\n',
  ),
  mutant(
    'a slot that is free stays charged',
    'mm/swap/swap.ts',
    '    this.#memcgs.of(this.#memcg[slot]!)?.swap.uncharge(1);\n',
    '',
  ),
  mutant(
    'a slot forgets who was charged for it',
    'mm/swap/swap.ts',
    '    this.#memcg[slot] = memcg;\n',
    '    this.#memcg[slot] = memcg & 0;\n',
  ),
  mutant(
    'who has reclaimed gets his page, whatever others have taken meanwhile',
    'mm/memcg/memcgCharge.ts',
    '    if (reclaimed > 0) continue;\n    if (retries-- > 0) {',
    '    if (reclaimed > 0) {\n      memory.max += pages;\n      memory.tryCharge(pages);\n      memory.max -= pages;\n      return true;\n    }\n    if (retries-- > 0) {',
  ),
  mutant(
    'who charges does not look at the limit again',
    'mm/memcg/memcgCharge.ts',
    '    if (memory.margin >= pages) continue;\n',
    '    memory.max += pages;\n    memory.tryCharge(pages);\n    memory.max -= pages;\n    return reclaimed >= 0;\n',
  ),
];
