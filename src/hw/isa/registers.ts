// Registers: the names of the 32 integer registers.
//
// Source: RISC-V ABIs Specification, "Integer Register Convention".

/** ABI names, by number. */
export const REGISTER_NAMES = [
  ...['zero', 'ra', 'sp', 'gp', 'tp', 't0', 't1', 't2', 's0', 's1'],
  ...['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'],
  ...['s2', 's3', 's4', 's5', 's6', 's7', 's8', 's9', 's10', 's11'],
  ...['t3', 't4', 't5', 't6'],
] as const;

const NUMBERS: ReadonlyMap<string, number> = new Map<string, number>([
  ...REGISTER_NAMES.map((name, number): [string, number] => [name, number]),
  ...REGISTER_NAMES.map((_, number): [string, number] => [`x${number}`, number]),
  ['fp', 8],
]);

/** The ABI name of a register in 0..31. */
export const registerName = (register: number): string => REGISTER_NAMES[register]!;

/** The number that "a0", "x10" or "fp" names, or undefined. */
export const registerNumber = (name: string): number | undefined => NUMBERS.get(name);
