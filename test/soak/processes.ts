// The soak `processes`: memory of processes that fork, move and protect it (test/mm/processes.ts).

import type fc from 'fast-check';
import { hugeProcessesProperty, interleavedProcessesProperty, processesProperty } from '../mm/processes.ts';
import { playProperty } from './playProperty.ts';
import type { Soak } from './soak.ts';

/** In turn, by the seed. */
const properties = [
  processesProperty(80),
  interleavedProcessesProperty(50),
  processesProperty(300),
  interleavedProcessesProperty(150),
  hugeProcessesProperty(60),
];

export const processes = (): Soak => ({
  caseSize: 1,
  play: (seed) => playProperty(properties[seed % properties.length]! as fc.IProperty<unknown>, seed),
});
