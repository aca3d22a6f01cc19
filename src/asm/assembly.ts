// Assembly: the state of one pass: sections, symbols, fixups, and the primitives that everything emits through.
//
// Made by assemble.ts for each pass; directives, instructions and pseudo-instructions write to it statement by statement;
// layout.ts and elf.ts read it at the end.
//
// Invariants: offsets are final when emitted (nothing is relaxed); a conditional branch that turned out not to reach is
// made long from the start in the next pass, known by its ordinal (`farBranches`).

import { encode, Op } from '../hw/isa/index.ts';
import { Fault } from './errors.ts';
import { type Expression, evaluateConstant, placeIn, type Sym } from './expression.ts';
import type { Scope } from './expressionParser.ts';
import { applyValue, type Fixup, type FixupKind, isPlaceless } from './fixups.ts';
import { MAX_FIXUPS, MAX_OUTPUT, MAX_SECTIONS } from './limits.ts';
import { type Budget, paddingTo, Section, type SectionKind } from './sections.ts';
import type { Place, Statement } from './source.ts';
import { SymbolTable } from './symbols.ts';

/** An object of zeros, aligned to 2^power; a .comm waits for the end of the source. */
export interface Common {
  readonly name: string;
  readonly size: number;
  readonly power: number;
  readonly place: Place;
}

/** Which conditional branches are long, by ordinal. */
export type FarBranches = ReadonlySet<number> | 'all';

export class Assembly implements Scope {
  readonly sections = new Map<string, Section>();
  readonly table = new SymbolTable();
  readonly fixups: Fixup[] = [];
  readonly commons = new Map<string, Common>();
  /** The section that is being filled; the one before it, for .previous; those that .pushsection saved. */
  current: Section;
  previous: Section;
  readonly saved: Section[] = [];
  /** What emission is blamed on. */
  statement: Statement = { text: '', line: 1, column: 0, expansion: null };
  private readonly farBranches: FarBranches;
  private branches = 0;
  private readonly budget: Budget = { left: MAX_OUTPUT };

  constructor(farBranches: FarBranches) {
    this.farBranches = farBranches;
    this.current = this.section('.text', 'text', 0);
    this.section('.data', 'data', 0);
    this.section('.bss', 'bss', 0);
    this.previous = this.current;
  }

  lookup(name: string, index: number): Sym {
    return this.table.lookup(name, index);
  }

  numericReference(text: string, index: number): Sym {
    return this.table.numericReference(text, index);
  }

  here(): Expression {
    return placeIn(this.current, this.current.size);
  }

  place(index: number): Place {
    return { statement: this.statement, index };
  }

  /** The section of that name, made if it is new. Throws Fault. */
  section(name: string, kind: SectionKind, index: number): Section {
    let section = this.sections.get(name);
    if (section === undefined) {
      if (this.sections.size >= MAX_SECTIONS) throw new Fault(index, `more than ${MAX_SECTIONS} sections`);
      section = new Section(name, kind, this.budget);
      this.sections.set(name, section);
    }
    return section;
  }

  switchTo(section: Section): void {
    this.previous = this.current;
    this.current = section;
  }

  /** Puts an object of zeros at the end of .bss. Throws Fault. */
  allocate({ name, size, power, place }: Common): void {
    const bss = this.section('.bss', 'bss', place.index);
    bss.alignTo(power, place.index);
    bss.fill(paddingTo(bss.size, power), 0, place.index);
    this.table.define(name, placeIn(bss, bss.size), false, place);
    bss.fill(size, 0, place.index);
  }

  /** Emits an instruction whose operands are all known. Throws Fault. */
  emit(op: number, rd: number, rs1: number, rs2: number, imm: number, index: number): void {
    const { current } = this;
    if (current.kind === 'bss') current.failNoBits(index);
    current.appendWord(encode(op, rd, rs1, rs2, imm), index);
    if (current.align < 4) current.alignTo(2, index);
  }

  /** Has the value of `expression` put at an offset of the current section: now if it is known, else later. */
  fix(kind: FixupKind, offset: number, expression: Expression, index: number, branch = -1): void {
    const fixup: Fixup = {
      kind,
      section: this.current,
      offset,
      expression,
      place: this.place(index),
      branch,
    };
    const value = isPlaceless(kind) ? evaluateConstant(expression) : undefined;
    if (value !== undefined) {
      applyValue(fixup, value);
      return;
    }
    if (this.fixups.length >= MAX_FIXUPS) throw new Fault(index, `more than ${MAX_FIXUPS} unresolved values`);
    this.fixups.push(fixup);
  }

  /**
   * Emits a conditional branch; one that is known not to reach becomes the opposite branch over a jump, as GNU as does.
   */
  branch(op: number, rs1: number, rs2: number, target: Expression, index: number): void {
    const ordinal = this.branches++;
    const at = this.current.size;
    if (this.farBranches === 'all' || this.farBranches.has(ordinal)) {
      this.emit(opposite(op), 0, rs1, rs2, 8, index);
      this.emit(Op.jal, 0, 0, 0, 0, index);
      this.fix('target', at + 4, target, index);
      return;
    }
    this.emit(op, 0, rs1, rs2, 0, index);
    this.fix('target', at, target, index, ordinal);
  }
}

const OPPOSITE: ReadonlyMap<number, number> = new Map([
  [Op.beq, Op.bne],
  [Op.bne, Op.beq],
  [Op.blt, Op.bge],
  [Op.bge, Op.blt],
  [Op.bltu, Op.bgeu],
  [Op.bgeu, Op.bltu],
]);

const opposite = (op: number): number => OPPOSITE.get(op)!;
