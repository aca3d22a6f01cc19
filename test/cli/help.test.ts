// Help, and shell completion: examples first, no error, and what a shell would offer.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VERBS } from '../../src/cli/verbs.ts';
import { FOLDER, umbra } from './umbra.ts';

describe('umbra help', () => {
  it('of a verb begins with examples', () => {
    for (const verb of ['run', 'completion']) {
      const { status, stdout, stderr } = umbra('help', verb);
      expect([status, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(new RegExp(`^Examples:\\n( {2}umbra ${verb} .*\\n)+\\nUsage: umbra ${verb} `));
      expect(umbra(verb, '--help').stdout).toBe(stdout);
    }
  });

  it('of everything lists the verbs', () => {
    const { status, stdout } = umbra('help');
    expect(status).toBe(0);
    for (const name of Object.keys(VERBS)) expect(stdout).toContain(`  ${name} `);
  });

  it.each([
    ['trcae', "unknown command 'trcae' (Did you mean trace?)"],
    ['constructor', "unknown command 'constructor'"],
  ])('of %s, which is no verb, says so', (verb, message) => {
    expect(umbra('help', verb)).toMatchObject({ status: 2, stdout: '', stderr: `umbra: ${message}\n` });
  });
});

describe('every verb', () => {
  it.each(Object.entries(VERBS))(
    '%s has examples, which its own options understand',
    async (name, { examples, load }) => {
      const command = (await load()).command(() => {});
      const known = new Set(command.options.flatMap(({ long, short }) => [long, short]));
      for (const example of examples) {
        expect(example).toMatch(new RegExp(`^${name}( |$)`));
        const own = example.replace(/ #.*/, '').split(' -- ')[0]!;
        const flags = [...own.matchAll(/(?<= )--?[a-zA-Z][\w-]*/g)].map(([flag]) => flag);
        expect(flags.filter((flag) => !known.has(flag) && flag !== '--help')).toEqual([]);
      }
    },
  );
});

describe('completion', () => {
  it('for bash offers verbs, flags and values, also behind --', () => {
    const { status, stdout } = umbra('completion', 'bash');
    expect(status).toBe(0);
    writeFileSync(join(FOLDER, 'completion.bash'), stdout);
    const offered = (...words: string[]): string[] => {
      const script = `source completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _umbra; echo "\${COMPREPLY[@]}"`;
      const result = spawnSync('bash', ['-c', script, 'bash', 'umbra', ...words], {
        cwd: FOLDER,
        encoding: 'utf8',
      });
      return result.stdout.trim().split(/\s+/).filter(Boolean);
    };
    expect(offered('tra')).toEqual(['trace']);
    expect(offered('run', '--host')).toEqual(['--host-ram']);
    expect(offered('run', '--mmu', '')).toEqual(['shadow', 'tdp']);
    expect(offered('trace', '--format', 'p')).toEqual(['pftrace']);
    expect(offered('trace', '-e', 'x', '--', 'run', '--host')).toEqual(['--host-ram']);
    expect(offered('report', 'completion.b')).toEqual(['completion.bash']);
    expect(offered('help', 'rep')).toEqual(['report', 'replay'].filter((name) => name.startsWith('rep')));
  });

  it('for zsh and fish is there, and for no other shell', () => {
    expect(umbra('completion', 'zsh').stdout).toMatch(/^#compdef umbra\n/);
    expect(umbra('completion', 'fish').stdout).toMatch(/^complete -c umbra -f -n .* -a run -d '/);
    expect(umbra('completion', 'dash').stderr).toMatch(
      /^umbra: [^\n]*Allowed choices are bash, zsh, fish\.\n$/,
    );
  });
});
