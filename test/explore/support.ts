// Loads standing scenarios into a variant of their own.

import type * as Explore from '../../src/explore/index.ts';
import type { Scenario } from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit } from '../../src/loader/index.ts';

const SCENARIOS = {
  pageout: 'pageout',
  pageoutWarm: 'pageout-warm',
  dontneed: 'dontneed',
  copyOnWrite: 'copy-on-write',
  intervalRemove: 'interval-remove',
} as const;

export type Variant = typeof Explore & {
  readonly scenarios: Readonly<Record<keyof typeof SCENARIOS, Scenario>>;
};

/** explore/ and the scenarios, over production code with `edits`. */
export function loadScenarios(edits: readonly SourceEdit[] = []): Promise<Variant> {
  const names = Object.entries(SCENARIOS);
  const entry = [
    "export * from './explore/index.ts';",
    ...names.map(([name, file]) => `import { scenario as ${name} } from './scenarios/${file}.ts';`),
    `export const scenarios = { ${names.map(([name]) => name).join(', ')} };`,
  ];
  return loadVariant<Variant>({ entry: entry.join('\n'), edits });
}
