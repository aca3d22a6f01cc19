// The header of a guest program: what it is for, what memory it needs, and what must come of it.
//
// Every file in guests/ opens with these lines, each once and in this order; a comment of prose follows:
//
//   # purpose: one line
//   # ram: 2M                    the least guest RAM
//   # host-ram: 256K             the least host memory with which it passes
//   # vcpus: 1
//   # expect: exit 0
//   # output: "text\n"           all that it prints, as a JSON string
//   # insns: about 1.2 million   of all harts; ", waiting not counted" where harts wait for each other

export interface GuestHeader {
  readonly purpose: string;
  readonly ramBytes: number;
  readonly hostRamBytes: number;
  readonly vcpus: number;
  readonly exitCode: number;
  readonly output: string;
  /** Instructions, about; null: not known. */
  readonly instructions: number | null;
  /** Harts that wait for each other execute instructions beyond those. */
  readonly harts: 'wait' | 'work';
}

const KEYS = ['purpose', 'ram', 'host-ram', 'vcpus', 'expect', 'output', 'insns'] as const;
type Key = (typeof KEYS)[number];

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
const WORDS: Readonly<Record<string, number>> = { '': 1, ' thousand': 1e3, ' million': 1e6 };

/** Throws where the header is not as the comment above says. */
export function parseHeader(source: string): GuestHeader {
  const lines = source.split('\n');
  const text = Object.fromEntries(KEYS.map((key, i) => [key, textOf(lines[i], key)])) as Record<Key, string>;
  if (lines[KEYS.length] !== '#') throw new Error(`line ${KEYS.length + 1} must be an empty comment`);
  const [, about, words, waiting] = match(
    text.insns,
    /^about ([\d.]+)( thousand| million|)(, waiting not counted)?$/,
  );
  return {
    purpose: text.purpose,
    ramBytes: bytesOf(text.ram),
    hostRamBytes: bytesOf(text['host-ram']),
    vcpus: Number(match(text.vcpus, /^(\d+)$/)[1]),
    exitCode: Number(match(text.expect, /^exit (\d+)$/)[1]),
    output: JSON.parse(match(text.output, /^".*"$/)[0]!) as string,
    instructions: Number(about) * WORDS[words!]!,
    harts: waiting === undefined ? 'work' : 'wait',
  };
}

function textOf(line: string | undefined, key: Key): string {
  const prefix = `# ${key}: `;
  if (!line?.startsWith(prefix)) throw new Error(`a line '${prefix}...' is missing before: ${line}`);
  return line.slice(prefix.length);
}

function match(text: string, pattern: RegExp): RegExpExecArray {
  const found = pattern.exec(text);
  if (found === null) throw new Error(`'${text}' does not match ${pattern}`);
  return found;
}

function bytesOf(text: string): number {
  const [, digits, unit] = match(text, /^(\d+)([KMG])$/);
  return Number(digits) * UNITS[unit!]!;
}
