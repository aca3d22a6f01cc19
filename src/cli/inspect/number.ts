// Addresses as people type them.

/** A 64-bit word, decimal or 0x; from 2^63 on negative. Null: it is none. */
export function parseAddress(text: string): number | null {
  if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text)) return null;
  return Number(BigInt.asIntN(64, BigInt(text)));
}
