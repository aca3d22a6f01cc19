// umbra completion: what a shell must know to complete verbs, flags and their values; printed for bash, zsh or fish.
//
// main.ts hands it the verbs as commander has them, so that the script knows what the command line knows.

import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Options whose values are files, by the name of the value. */
const TAKES_FILE = /[<[](file|folder|where)[>\]]/;

export function completionScript(shell: Shell, verbs: readonly Command[]): string {
  if (shell === 'fish') return fish(verbs);
  const bashScript = bash(verbs);
  return shell === 'bash'
    ? bashScript
    : `#compdef umbra\nautoload -U +X bashcompinit && bashcompinit\n${bashScript}`;
}

const flagsOf = ({ options }: Command): string[] =>
  options.flatMap(({ long, short }) => [long, short].filter((flag) => flag !== undefined && flag !== null));

const choicesOf = ({ argChoices }: Option): readonly string[] => argChoices ?? [];

/** Behind -- the verb that is observed is completed, as behind `umbra`. */
function bash(verbs: readonly Command[]): string {
  const names = verbs.map((verb) => verb.name()).join(' ');
  const values = verbs.flatMap((verb) =>
    verb.options.flatMap((option) => {
      const choices = choicesOf(option);
      const pattern = [option.long, option.short]
        .filter(Boolean)
        .map((flag) => `${verb.name()}:${flag}`)
        .join('|');
      return choices.length === 0
        ? []
        : `    ${pattern}) COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$word")); return ;;`;
    }),
  );
  const flags = verbs.map((verb) => `    ${verb.name()}) flags="${flagsOf(verb).join(' ')}" ;;`);
  return `_umbra() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" verb="" flags="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      --) verb="" ;;
      -*) ;;
      *) [ -z "$verb" ] && verb="\${COMP_WORDS[i]}" ;;
    esac
  done
  if [ -z "$verb" ] || [ "$before" = help ]; then
    COMPREPLY=($(compgen -W "${names} help completion" -- "$word"))
    return
  fi
  case "$verb:$before" in
${values.join('\n')}
  esac
  case "$verb" in
${flags.join('\n')}
    completion) COMPREPLY=($(compgen -W "${SHELLS.join(' ')}" -- "$word")); return ;;
  esac
  if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "$flags --help" -- "$word"))
  else COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _umbra umbra
`;
}

function fish(verbs: readonly Command[]): string {
  const names = verbs.map((verb) => verb.name()).join(' ');
  const lines = verbs.flatMap((verb) => [
    `complete -c umbra -f -n "not __fish_seen_subcommand_from ${names}" -a ${verb.name()} -d ${quote(verb.summary())}`,
    ...verb.options.map((option) => fishOption(verb, option)),
  ]);
  return `${lines.join('\n')}\ncomplete -c umbra -f -n "__fish_seen_subcommand_from completion" -a "${SHELLS.join(' ')}"\n`;
}

function fishOption(verb: Command, option: Option): string {
  const { long, short, description, flags } = option;
  const choices = choicesOf(option);
  const values =
    choices.length > 0 ? ` -x -a ${quote(choices.join(' '))}` : TAKES_FILE.test(flags) ? ' -r' : '';
  const names = `${long ? ` -l ${long.slice(2)}` : ''}${short ? ` -s ${short.slice(1)}` : ''}`;
  return `complete -c umbra -n "__fish_seen_subcommand_from ${verb.name()}"${names} -d ${quote(description)}${values}`;
}

const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
