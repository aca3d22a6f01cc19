// The registers of a hart as GDB numbers them: x0 to x31, pc, the CSRs from 65 on, and priv; and the description of them
// (target.xml) that GDB asks for first.
//
// Source: "RISC-V Features" in the GDB manual; names of the CSRs are the architecture's.

import { type Hart, inspectCsr, Word64 } from '../../hw/hart/index.ts';
import { csrName, REGISTER_NAMES } from '../../hw/isa/index.ts';
import { hexOfWord } from './packets.ts';

const PC = 32;
const FIRST_CSR = 65;
const CSRS = 4096;
const PRIV = FIRST_CSR + CSRS;

/** Little-endian hexadecimal, or null where there is no such register. */
export function readRegister(hart: Hart, number: number): string | null {
  if (number < PC) return hexOfWord(hart.block[2 * number]!, hart.block[2 * number + 1]!);
  if (number === PC) return hexOfWord(hart.pc | 0, Math.floor(hart.pc / 2 ** 32));
  if (number === PRIV) return hexOfWord(hart.privilege, 0);
  const word = new Word64();
  const isCsr = number >= FIRST_CSR && number < PRIV;
  return isCsr && inspectCsr(hart, number - FIRST_CSR, word) ? hexOfWord(word.lo, word.hi) : null;
}

/** False: it cannot be written. */
export function writeRegister(hart: Hart, number: number, bytes: Uint8Array): boolean {
  if (number > PC || bytes.length !== 8) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [lo, hi] = [view.getInt32(0, true), view.getInt32(4, true)];
  if (number === PC) hart.setPc(lo & ~1, hi);
  else hart.setX(number, lo, hi);
  return true;
}

/** x0 to x31 and pc. */
export const readGeneral = (hart: Hart): string =>
  Array.from({ length: PC + 1 }, (_, number) => readRegister(hart, number)).join('');

export function writeGeneral(hart: Hart, bytes: Uint8Array): boolean {
  if (bytes.length < 8 * (PC + 1)) return false;
  for (let number = 0; number <= PC; number++) {
    writeRegister(hart, number, bytes.slice(8 * number, 8 * number + 8));
  }
  return true;
}

/** The CSRs that `hart` has. */
export function targetXml(hart: Hart): string {
  const word = new Word64();
  const csrs: string[] = [];
  for (let csr = 0; csr < CSRS; csr++) {
    if (inspectCsr(hart, csr, word)) csrs.push(register(csrName(csr), FIRST_CSR + csr, 'int'));
  }
  const general = REGISTER_NAMES.map((name, i) =>
    register(name, i, name === 'ra' ? 'code_ptr' : name === 'sp' ? 'data_ptr' : 'int'),
  );
  return [
    '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">',
    '<architecture>riscv:rv64</architecture>',
    `<feature name="org.gnu.gdb.riscv.cpu">${general.join('')}${register('pc', PC, 'code_ptr')}</feature>`,
    `<feature name="org.gnu.gdb.riscv.csr">${csrs.join('')}</feature>`,
    `<feature name="org.gnu.gdb.riscv.virtual">${register('priv', PRIV, 'int')}</feature>`,
    '</target>',
  ].join('');
}

const register = (name: string, number: number, type: string): string =>
  `<reg name="${name}" bitsize="64" regnum="${number}" type="${type}"/>`;
