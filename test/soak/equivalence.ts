// The soak `equivalence`: the translator does what the interpreter does (test/hw/hart/translate/equivalence.ts).

import type fc from 'fast-check';
import { equivalenceProperty, everyBudgetProperty } from '../hw/hart/translate/equivalence.ts';
import { playProperty } from './playProperty.ts';
import type { Soak } from './soak.ts';

export function equivalence(): Soak {
  const properties = [equivalenceProperty(), equivalenceProperty(), everyBudgetProperty()];
  return {
    caseSize: 1,
    play: (seed) => playProperty(properties[seed % properties.length]! as fc.IProperty<unknown>, seed),
  };
}
