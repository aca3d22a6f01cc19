// The soak `kernel`: random scripts of system calls get from Umbra what the kernel of this very machine answers.
//
// It runs where the answers can be had: as root of x86-64 Linux 6.17 or later (mremap of several VMAs) with a C compiler,
// swap space, and the folder for temporary files on ext4. recorder.c makes the system calls.
//
// Compared is the level `pages`; how many scripts agree in everything is told as coverage. Those that do not met a large
// folio that ext4 had read ahead, or the flusher thread, which writes pages back in its own time.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstDifference } from '../conformance/mm/compare.ts';
import { makePlay } from '../conformance/mm/play.ts';
import { randomScript } from '../conformance/mm/randomScript.ts';
import { type Soak, Unavailable } from './soak.ts';

const OPERATIONS = 130;
const RECORDER = join(import.meta.dirname, '../conformance/mm/recorder.c');

function compileRecorder(folder: string): string {
  if (process.platform !== 'linux' || process.arch !== 'x64' || process.getuid?.() !== 0)
    throw new Unavailable(
      'the soak `kernel` asks the kernel of this machine: it needs root of Linux on x86-64',
    );
  if (readFileSync('/proc/swaps', 'utf8').trim().split('\n').length < 2)
    throw new Unavailable('the soak `kernel` needs swap space: mkswap and swapon a file of 64 MiB');
  const recorder = join(folder, 'recorder');
  const { status } = spawnSync('cc', ['-O1', '-static', '-no-pie', '-o', recorder, RECORDER]);
  if (status !== 0) throw new Unavailable('the soak `kernel` needs a C compiler, as cc');
  return recorder;
}

export function kernel(): Soak {
  const folder = mkdtempSync(join(tmpdir(), 'umbra-recorder-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const recorder = compileRecorder(folder);
  const play = makePlay();
  let scripts = 0;
  let strict = 0;
  return {
    caseSize: 1,
    play: (seed) => {
      const script = randomScript(seed, OPERATIONS);
      const golden = execFileSync(recorder, [folder], { input: script, encoding: 'utf8' })
        .trimEnd()
        .split('\n');
      const got = play(script, `seed ${seed}`);
      scripts++;
      if (firstDifference(golden, got, 'strict') === null) strict++;
      const difference = firstDifference(golden, got, 'pages');
      if (difference !== null) throw new Error(difference);
    },
    coverage: () => `scripts=${scripts} strict=${strict}`,
  };
}
