// What the fakes of this folder saw go wrong: numbers of rules in the reference of correctness rules for mmu_notifier,
// or words for what they are there to prevent.

export class Verdict {
  readonly #broken = new Set<string>();

  /** Notes that `rule` is broken unless `holds`. */
  check(rule: string, holds: boolean): void {
    if (!holds) this.#broken.add(rule);
  }

  toString(): string {
    return this.#broken.size === 0 ? 'all rules kept' : `broken: ${[...this.#broken].sort().join(', ')}`;
  }
}

export const ALL_KEPT = 'all rules kept';
