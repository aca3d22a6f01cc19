// The soak `contents`: memory keeps its contents whatever the host does to it (test/mm/contents.ts).

import type fc from 'fast-check';
import {
  interleavedProperty,
  programsProperty,
  repeatableProperty,
  threadsProperty,
} from '../mm/contents.ts';
import { playProperty } from './playProperty.ts';
import type { Soak } from './soak.ts';

/** In turn, by the seed. */
const properties = [
  programsProperty(200),
  interleavedProperty(120),
  threadsProperty(),
  programsProperty(600),
  interleavedProperty(300),
  threadsProperty(),
  repeatableProperty(100),
];

export const contents = (): Soak => ({
  caseSize: 1,
  play: (seed) => playProperty(properties[seed % properties.length]! as fc.IProperty<unknown>, seed),
});
