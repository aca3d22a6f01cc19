// Loans: host addresses that kvm lends a hart for the one instruction at its pc, where no table entry may stand for them.
//
// kvm lends them under shadow paging, for loads and fetches from pages that the PMP splits; access.ts looks here before it
// walks.
//
// Invariant: a loan is good for exactly the access that it was made for, in the regime of then, and until an instruction
// retires or traps, or the TLB is flushed.

import type { Hpa } from '../../units.ts';
import { Access, type AccessKind } from '../sv39/index.ts';
import type { Regime } from '../tlb/index.ts';
import type { Hart } from './hart.ts';

interface Loan {
  readonly regime: Regime;
  readonly address: number;
  readonly bytes: number;
  readonly access: AccessKind;
  readonly host: Hpa;
}

export const NO_LOAN = -1;

export class Loans {
  readonly #hart: Hart;
  #loans: Loan[] = [];
  /** hart.attempted when they were made. */
  #madeAt = -1;

  constructor(hart: Hart) {
    this.#hart = hart;
  }

  get isEmpty(): boolean {
    return this.#loans.length === 0;
  }

  /** `host` is where the access that exited last is to be made. */
  lend(host: Hpa): void {
    const { attempted, fault, tlb } = this.#hart;
    if (this.#madeAt !== attempted) this.clear();
    this.#madeAt = attempted;
    const regime = fault.access === Access.fetch ? tlb.fetchRegime : tlb.dataRegime;
    this.#loans.push({ regime, address: fault.va, bytes: fault.bytes, access: fault.access, host });
  }

  /** Where an access is to be made, or NO_LOAN. */
  find(regime: Regime, address: number, access: AccessKind, bytes: number): Hpa | typeof NO_LOAN {
    if (this.#madeAt !== this.#hart.attempted) {
      this.clear();
      return NO_LOAN;
    }
    const loan = this.#loans.find(
      (l) => l.address === address && l.access === access && l.bytes === bytes && l.regime === regime,
    );
    return loan?.host ?? NO_LOAN;
  }

  clear(): void {
    this.#loans = [];
  }
}
