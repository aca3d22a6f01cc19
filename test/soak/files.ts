// The soak `files`: files and shmem objects keep their contents whatever the host does to their pages
// (test/mm/fileContents.ts).

import type fc from 'fast-check';
import { fileProgramsProperty, interleavedFilesProperty } from '../mm/fileContents.ts';
import { playProperty } from './playProperty.ts';
import type { Soak } from './soak.ts';

/** In turn, by the seed. */
const properties = [fileProgramsProperty(200), interleavedFilesProperty(80)];

export const files = (): Soak => ({
  caseSize: 1,
  play: (seed) => playProperty(properties[seed % properties.length]! as fc.IProperty<unknown>, seed),
});
