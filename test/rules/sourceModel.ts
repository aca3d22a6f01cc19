// The sources as rules about code see them: every function with its parameters and comment, and what each name means,
// asked of the TypeScript compiler (the API of version 7, not stable yet; the version is pinned).
//
// An expression that names an object has a canonical text: parameters are $0, $1 ..., the receiver is $this, and a
// constant stands for what it was set to. So `const { host } = mm` makes `host.zone` the same as `mm.host.zone`, which is
// $0.host.zone in a function whose first parameter is mm. Any other variable is name@position.

import { dirname, join, relative, resolve } from 'node:path';
import {
  type BindingName,
  type CallExpression,
  type Expression,
  getLeadingCommentRanges,
  isArrowFunction,
  isAsExpression,
  isBindingElement,
  isCallExpression,
  isClassDeclaration,
  isConstructorDeclaration,
  isElementAccessExpression,
  isFunctionDeclaration,
  isFunctionExpression,
  isGetAccessorDeclaration,
  isIdentifier,
  isImportDeclaration,
  isImportSpecifier,
  isInterfaceDeclaration,
  isMethodDeclaration,
  isNonNullExpression,
  isObjectBindingPattern,
  isParenthesizedExpression,
  isPrivateIdentifier,
  isPropertyAccessExpression,
  isSetAccessorDeclaration,
  isVariableDeclaration,
  isVariableDeclarationList,
  type Node,
  type SourceFile,
  SyntaxKind,
} from 'typescript/unstable/ast';
import { API, type Checker, type Symbol as Meaning, SymbolFlags } from 'typescript/unstable/sync';

const ROOT = resolve(import.meta.dirname, '../..');

interface FunctionNode extends Node {
  readonly parameters: readonly { readonly name: BindingName }[];
  readonly asteriskToken?: Node;
  readonly type?: Node;
  readonly name?: Node;
  readonly body?: Node;
}

/** A function with a body, of whatever kind. */
export interface Fn {
  readonly node: FunctionNode;
  readonly body: Node;
  /** Below the root of the repository. */
  readonly file: string;
  /** `name` or `Class.name`; a literal has the name of the function it stands in, with a prime. */
  readonly name: string;
  /** The function it stands in. */
  readonly outer: Fn | null;
  /** A generator that the scheduler runs, not one that merely enumerates. */
  readonly isSteps: boolean;
  readonly comment: string;
  /** The call that it is an argument of, if it is a literal. */
  readonly argumentOf: CallExpression | null;
}

const isFunctionNode = (node: Node): node is FunctionNode =>
  isFunctionDeclaration(node) ||
  isFunctionExpression(node) ||
  isArrowFunction(node) ||
  isMethodDeclaration(node) ||
  isConstructorDeclaration(node) ||
  isGetAccessorDeclaration(node) ||
  isSetAccessorDeclaration(node);

export class Sources {
  readonly files: readonly SourceFile[];
  readonly functions: Fn[] = [];
  readonly #api: API;
  readonly #checker: Checker;
  readonly #meanings = new Map<Node, Meaning>();
  /** Of an imported name: what it was imported as, from where; and what that is. */
  readonly #imports = new Map<string, string>();
  readonly #originals = new Map<string, Meaning>();
  /** The class or interface that a member belongs to. */
  readonly #owners = new Map<string, string>();
  /** Where a name stands first, which is where a variable is declared. */
  readonly #positions = new Map<string, number>();
  readonly #byNode = new Map<Node, Fn>();
  readonly #byMeaning = new Map<string, Fn>();
  /** What a constant was set to: an expression, and the properties taken of it. */
  readonly #constants = new Map<string, { readonly of: Expression; readonly path: string }>();
  /** Parameters and what is destructured of them: whose they are, and their canonical text there. */
  readonly #params = new Map<string, { readonly fn: Node; readonly text: string }>();

  /** `paths`: folders and files below the root of the repository; `context`: files whose classes are spoken of, too. */
  constructor(paths: readonly string[], context: readonly string[]) {
    this.#api = new API({ cwd: ROOT });
    const snapshot = this.#api.updateSnapshot({ openProjects: [join(ROOT, 'tsconfig.json')] });
    const project = snapshot.getProjects()[0]!;
    this.#checker = project.checker;
    const filesIn = (places: readonly string[]): SourceFile[] =>
      project.rootFiles
        .filter((file) => places.some((place) => `${file}/`.startsWith(`${join(ROOT, place)}/`)))
        .map((file) => project.program.getSourceFile(file)!);
    this.files = filesIn(paths);
    this.#resolveNames([...this.files, ...filesIn(context)]);
    for (const file of this.files) this.#collect(file, null, null);
  }

  /** Ends the compiler; from here on nothing new may be asked. */
  close(): void {
    this.#api.close();
  }

  fnOf(node: Node): Fn | undefined {
    return this.#byNode.get(node);
  }

  /** The function of these sources that `name` means. */
  fnNamed(name: Node): Fn | undefined {
    const meaning = this.#meaningOf(name);
    return meaning === undefined ? undefined : this.#byMeaning.get(idOf(meaning));
  }

  /** `Class.member`, or the bare name of anything else. */
  keyOf(name: Node): string | undefined {
    const meaning = this.#meaningOf(name);
    if (meaning === undefined) return undefined;
    const owner = this.#owners.get(idOf(meaning)) ?? '';
    // A private name comes as __#18@#name.
    const own = meaning.name.replace(/^__#\d+@/, '');
    return owner === '' ? own : `${owner}.${own}`;
  }

  /** Whether `name` means a parameter of `fn`. */
  isParameter(name: Node, fn: Fn): boolean {
    const meaning = this.#meanings.get(name);
    return meaning !== undefined && this.#params.get(idOf(meaning))?.fn === fn.node;
  }

  /** The name of the class or interface that an expression is of. */
  typeOf(node: Node): string | undefined {
    return this.#checker.getTypeAtLocation(node)?.getSymbol()?.name;
  }

  /** The functions that files other than their own name. */
  usedElsewhere(): ReadonlySet<Fn> {
    const used = new Set<Fn>();
    for (const name of this.#meanings.keys()) {
      const fn = isCalled(name) || isProperty(name) ? this.fnNamed(name) : undefined;
      if (fn !== undefined && fileOf(name) !== fn.file) used.add(fn);
    }
    return used;
  }

  /** The functions in which a field or method of the name `Class.member` stands. */
  usersOf(members: readonly string[]): readonly Fn[] {
    const users = new Set<Fn>();
    for (const name of this.#meanings.keys()) {
      const fn =
        isProperty(name) && members.includes(this.keyOf(name) ?? '') ? this.#fnAround(name) : undefined;
      if (fn !== undefined) users.add(fn);
    }
    return [...users];
  }

  #fnAround(node: Node): Fn | undefined {
    let at: Node | undefined = node;
    while (at !== undefined && !this.#byNode.has(at)) at = at.parent;
    return at === undefined ? undefined : this.#byNode.get(at);
  }

  /** The comments of a file, one after the other. */
  commentsOf(file: string): string {
    const text = this.files.find((each) => fileOf(each) === file)?.text ?? '';
    return (text.match(/\/\*[\s\S]*?\*\/|\/\/.*$/gm) ?? []).join('\n');
  }

  /** File and line. */
  where(node: Node): string {
    const { line } = node.getSourceFile().getLineAndCharacterOfPosition(node.getStart());
    return `${fileOf(node)}:${line + 1}`;
  }

  /** The canonical text of `node`, which stands in `fn`. */
  canonical(node: Node, fn: Fn): string {
    if (isIdentifier(node)) return this.#canonicalName(node, fn);
    if (node.kind === SyntaxKind.ThisKeyword) return '$this';
    if (isNonNullExpression(node) || isAsExpression(node) || isParenthesizedExpression(node))
      return this.canonical(node.expression, fn);
    if (isPropertyAccessExpression(node))
      return `${this.canonical(node.expression, fn)}.${node.name.getText()}`;
    if (isElementAccessExpression(node))
      return `${this.canonical(node.expression, fn)}[${this.canonical(node.argumentExpression, fn)}]`;
    if (!isCallExpression(node)) return node.getText();
    const values = node.arguments.map((argument) => this.canonical(argument, fn));
    return `${this.canonical(node.expression, fn)}(${values.join(', ')})`;
  }

  #canonicalName(name: Node, fn: Fn): string {
    const meaning = this.#meanings.get(name);
    if (meaning === undefined) return name.getText();
    const id = idOf(meaning);
    const param = this.#params.get(id);
    if (param !== undefined) return param.fn === fn.node ? param.text : foreign(param.text, param.fn);
    const constant = this.#constants.get(id);
    if (constant !== undefined) return `${this.canonical(constant.of, fn)}${constant.path}`;
    return `${meaning.name}@${this.#positions.get(id)}`;
  }

  /** Asks what all names mean, at once: each question goes to another process. */
  #resolveNames(files: readonly SourceFile[]): void {
    const names: Node[] = [];
    const visit = (node: Node): void => {
      if (isIdentifier(node) || isPrivateIdentifier(node)) names.push(node);
      node.forEachChild(visit);
    };
    for (const file of files) file.forEachChild(visit);
    const meanings = this.#checker.getSymbolAtLocation(names);
    names.forEach((name, i) => {
      const meaning = meanings[i];
      if (meaning !== undefined) this.#note(name, meaning);
    });
  }

  #note(name: Node, meaning: Meaning): void {
    this.#meanings.set(name, meaning);
    const id = idOf(meaning);
    if (!this.#positions.has(id)) this.#positions.set(id, name.getStart());
    const { parent } = name;
    const isMember = isClassDeclaration(parent?.parent) || isInterfaceDeclaration(parent?.parent);
    if (isMember && 'name' in parent && parent.name === name)
      this.#owners.set(id, parent.parent.name?.text ?? '');
    if (!isImportSpecifier(parent)) return;
    const declaration: Node = parent.parent.parent.parent;
    if (!isImportDeclaration(declaration)) return;
    const { moduleSpecifier } = declaration;
    const from = resolve(dirname(name.getSourceFile().fileName), moduleSpecifier.getText().slice(1, -1));
    this.#imports.set(id, `${from} ${(parent.propertyName ?? parent.name).getText()}`);
  }

  /** What `name` means, not what it is imported as. */
  #meaningOf(name: Node): Meaning | undefined {
    const meaning = this.#meanings.get(name);
    if (meaning === undefined || (meaning.flags & SymbolFlags.Alias) === 0) return meaning;
    const key = this.#imports.get(idOf(meaning)) ?? idOf(meaning);
    const known = this.#originals.get(key);
    if (known !== undefined) return known;
    const original = this.#checker.getAliasedSymbol(meaning);
    this.#originals.set(key, original);
    return original;
  }

  /** Notes the functions in `node`, and what its parameters and constants are. */
  #collect(node: Node, outer: Fn | null, inClass: string | null): void {
    const className = isClassDeclaration(node) ? (node.name?.text ?? null) : inClass;
    const fn = isFunctionNode(node) && node.body !== undefined ? this.#describe(node, outer, inClass) : outer;
    if (isVariableDeclaration(node) && node.initializer !== undefined) this.#noteConstant(node);
    node.forEachChild((child) => this.#collect(child, fn, className));
  }

  #describe(node: FunctionNode, outer: Fn | null, className: string | null): Fn {
    const { parent } = node;
    const nameNode = node.name ?? (isVariableDeclaration(parent) ? parent.name : undefined);
    const bare = isConstructorDeclaration(node) ? 'constructor' : (nameNode?.getText() ?? `${outer?.name}'`);
    const isMember = className !== null && outer === null;
    const fn: Fn = {
      node,
      body: node.body!,
      file: fileOf(node),
      name: isMember ? `${className}.${bare}` : bare,
      outer,
      isSteps: node.asteriskToken !== undefined && !/^Iterable\b/.test(node.type?.getText() ?? ''),
      comment: commentBefore(isVariableDeclaration(parent) ? parent.parent.parent : node),
      argumentOf:
        isCallExpression(parent) && parent.arguments.some((each) => each === (node as Node)) ? parent : null,
    };
    this.functions.push(fn);
    this.#byNode.set(node, fn);
    const meaning = nameNode === undefined ? undefined : this.#meanings.get(nameNode);
    if (meaning !== undefined) this.#byMeaning.set(idOf(meaning), fn);
    node.parameters.forEach(({ name }, i) => {
      this.#eachBinding(name, `$${i}`, (id, text) => this.#params.set(id, { fn: node, text }));
    });
    return fn;
  }

  #noteConstant({ name, initializer, parent }: Node & { name: BindingName; initializer?: Expression }): void {
    const isConstant = isVariableDeclarationList(parent) && /^const\b/.test(parent.getText());
    if (!isConstant || initializer === undefined || !isPath(initializer)) return;
    this.#eachBinding(name, '', (id, path) => this.#constants.set(id, { of: initializer, path }));
  }

  /** Each name that `name` binds, with the text of what it is bound to: `path`, or properties of it. */
  #eachBinding(name: BindingName, path: string, take: (id: string, path: string) => void): void {
    const meaning = this.#meanings.get(name);
    if (meaning !== undefined) take(idOf(meaning), path);
    if (!isObjectBindingPattern(name)) return;
    for (const element of name.elements) {
      if (!isBindingElement(element) || element.name === undefined) continue;
      const property = (element.propertyName ?? element.name).getText();
      this.#eachBinding(element.name, `${path}.${property}`, take);
    }
  }
}

const fileOf = (node: Node): string => relative(ROOT, node.getSourceFile().fileName);

/** The canonical text of a parameter, seen from a function inside its own. */
const foreign = (text: string, fn: Node): string =>
  text.replace(/^\$\d+/, (parameter) => `${parameter}of${fn.getStart()}`);

/** `text`, canonical in a function that stands inside `fn`, as seen in `fn`. */
export const seenFrom = (text: string, fn: Fn): string => text.replaceAll(`of${fn.node.getStart()}`, '');

/** By declaration, since the compiler now and then has several symbols for one. */
function idOf({ id, valueDeclaration, declarations }: Meaning): string {
  const at = valueDeclaration ?? declarations[0];
  return at === undefined ? `${id}` : `${at.path}:${at.index}`;
}

/** A name and properties of it: what may stand for a constant that is set to it. */
const isPath = (node: Expression): boolean =>
  isIdentifier(node) ||
  node.kind === SyntaxKind.ThisKeyword ||
  (isPropertyAccessExpression(node) && isPath(node.expression)) ||
  ((isNonNullExpression(node) || isAsExpression(node) || isParenthesizedExpression(node)) &&
    isPath(node.expression));

const isCalled = (name: Node): boolean => isCallExpression(name.parent) && name.parent.expression === name;
const isProperty = (name: Node): boolean =>
  isPropertyAccessExpression(name.parent) && name.parent.name === name;

function commentBefore(node: Node): string {
  const { text } = node.getSourceFile();
  const ranges = getLeadingCommentRanges(text, node.getFullStart()) ?? [];
  return ranges.map(({ pos, end }) => text.slice(pos, end)).join('\n');
}

/** The name that is called, if it is by a name. */
export function calledName(callee: Node): Node | undefined {
  if (isIdentifier(callee)) return callee;
  return isPropertyAccessExpression(callee) ? callee.name : undefined;
}
