// Loads a scenario of the tests into a variant of its own.

import { join } from 'node:path';
import type * as Explore from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit } from '../../src/loader/index.ts';
import type * as Scenarios from './scenarios.ts';

const SCENARIOS = join(import.meta.dirname, 'scenarios.ts');

export type Variant = typeof Explore & { readonly scenarios: typeof Scenarios };

/** explore/ and the scenarios, over production code with `edits`. */
export function loadScenarios(edits: readonly SourceEdit[] = []): Promise<Variant> {
  const entry = `export * from './explore/index.ts'; export * as scenarios from ${JSON.stringify(SCENARIOS)};`;
  return loadVariant<Variant>({ entry, edits });
}
