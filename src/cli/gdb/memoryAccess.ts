// Which memory an instruction touches, by its mnemonic: for watchpoints.

export interface MemoryAccess {
  readonly bytes: number;
  readonly reads: boolean;
  readonly writes: boolean;
  /** The address is rs1 plus the immediate, or rs1 alone. */
  readonly hasOffset: boolean;
}

const BYTES: Readonly<Record<string, number>> = { b: 1, h: 2, w: 4, d: 8 };

/** Null: it touches none. */
export function accessOf(mnemonic: string): MemoryAccess | null {
  const plain = /^([ls])([bhwd])u?$/.exec(mnemonic);
  if (plain !== null) {
    const reads = plain[1] === 'l';
    return { bytes: BYTES[plain[2]!]!, reads, writes: !reads, hasOffset: true };
  }
  const atomic = /^(lr|sc|amo\w+)\.([wd])$/.exec(mnemonic);
  if (atomic === null) return null;
  const [, kind, size] = atomic;
  return { bytes: BYTES[size!]!, reads: kind !== 'sc', writes: kind !== 'lr', hasOffset: false };
}
