// The soaks by name; each is loaded when it is asked for.

import type { Soak } from './soak.ts';

export const SOAKS: Readonly<Record<string, () => Promise<Soak>>> = {
  streams: async () => (await import('./streams.ts')).streams(),
  words: async () => (await import('./words.ts')).words(),
  contents: async () => (await import('./contents.ts')).contents(),
  processes: async () => (await import('./processes.ts')).processes(),
  files: async () => (await import('./files.ts')).files(),
  equivalence: async () => (await import('./equivalence.ts')).equivalence(),
  fences: async () => (await import('./fences.ts')).fences(),
  coherence: async () => (await import('./coherence.ts')).coherence(),
  sv39: async () => (await import('./sv39.ts')).sv39(),
  host: async () => (await import('./host.ts')).host(),
  guests: async () => (await import('./guests.ts')).guests(),
  kernel: async () => (await import('./kernel.ts')).kernel(),
};
