// Resolve: puts into place the values that had to wait for the layout.
//
// Called by assemble.ts after layout.ts. Distances come before the lower parts that refer to them. Conditional branches
// that do not reach are returned: the next pass makes them long.

import type { Assembly } from './assembly.ts';
import { type Diagnostics, Fault } from './errors.ts';
import { evaluateFinal } from './expression.ts';
import { applyDistance, applyTarget, applyValue, type Fixup, reaches } from './fixups.ts';

/** Applies all fixups; returns the ordinals of the branches that do not reach. What is wrong goes to `diagnostics`. */
export function resolve(a: Assembly, diagnostics: Diagnostics): number[] {
  const resolver = new Resolver();
  const apply = (fixup: Fixup): void =>
    diagnostics.attempt(fixup.place.statement, () => resolver.apply(fixup));
  for (const fixup of a.fixups) if (fixup.kind !== 'pcrelLo') apply(fixup);
  for (const fixup of a.fixups) if (fixup.kind === 'pcrelLo') apply(fixup);
  return resolver.short;
}

class Resolver {
  /** Branches that do not reach. */
  readonly short: number[] = [];
  /** The distance at each pcrelHi, by its address. */
  private readonly distances = new Map<bigint, bigint>();

  apply(fixup: Fixup): void {
    const value = evaluateFinal(fixup.expression, fixup.place.index);
    const address = BigInt(fixup.section.address!) + BigInt(fixup.offset);
    const delta = BigInt.asIntN(64, value - address);
    switch (fixup.kind) {
      case 'target':
        this.target(fixup, delta);
        return;
      case 'pcrelHi':
        this.distances.set(address, delta);
        applyDistance(fixup, delta);
        return;
      case 'pcrelPair':
        applyDistance(fixup, delta);
        return;
      case 'pcrelLo':
        applyDistance(fixup, this.distanceAt(fixup, value));
        return;
      default:
        applyValue(fixup, value);
    }
  }

  private target(fixup: Fixup, delta: bigint): void {
    if (reaches(fixup, delta)) applyTarget(fixup, delta);
    else if (fixup.branch !== -1) this.short.push(fixup.branch);
    else
      throw new Fault(
        fixup.place.index,
        `the target is ${delta} bytes away and jal reaches 1 MiB: use call or tail`,
      );
  }

  private distanceAt(fixup: Fixup, address: bigint): bigint {
    const delta = this.distances.get(address);
    if (delta === undefined) {
      throw new Fault(fixup.place.index, '%pcrel_lo needs the label of an instruction with %pcrel_hi');
    }
    return delta;
  }
}
