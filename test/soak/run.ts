// npm run soak -- NAME --count N --seed S: plays N cases of a soak, the first from seed S.
//
// Prints one JSON line on stdout; failures, with what replays each, and coverage on stderr. Exit code 0: none failed; 1:
// some did, or one hung or brought its thread down; 2: usage, or a soak that this machine cannot play. The cases run in a
// thread (worker.ts), so that what hangs or exhausts memory is a failure with a seed like any other.

import { Worker } from 'node:worker_threads';
import { type Arguments, readArguments, UsageError } from './arguments.ts';
import type { CaseFailure, SoakMessage, SoakOrder } from './worker.ts';

/** A case that takes so much time of a CPU hangs; other time says nothing on a busy machine. */
const PATIENCE_US = 120_000_000;
const LOOK_MS = 1000;
/** Failures that are printed in full. */
const MAX_DETAILS = 20;

/** Plays in a thread; the number of failures. */
function play({ name, count, seed }: Arguments): Promise<number> {
  const progress = new Int32Array(new SharedArrayBuffer(12));
  const workerData: SoakOrder = { name, count, seed, progress };
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    let failures = 0;
    let seen = -1;
    let lastMove = 0;
    let isOver = false;
    const stop = (): void => {
      isOver = true;
      clearInterval(watch);
    };
    const end = (total: number): void => {
      stop();
      resolve(total);
    };
    const lose = (why: string): void => {
      if (isOver) return;
      report(name, { seed: progress[1]! >>> 0, size: progress[2]!, what: why });
      void worker.terminate();
      end(failures + 1);
    };
    const watch = setInterval(() => {
      const begun = Atomics.load(progress, 0);
      const { user, system } = process.cpuUsage();
      if (begun !== seen) lastMove = user + system;
      seen = begun;
      if (user + system - lastMove > PATIENCE_US) lose('the case hangs');
    }, LOOK_MS);
    worker.on('error', (error) => lose(`the thread died: ${error.stack ?? error}`));
    worker.on('exit', () => lose('the thread ended'));
    worker.on('message', (message: SoakMessage) => {
      if (message.kind === 'failure') {
        failures++;
        if (failures <= MAX_DETAILS) report(name, message);
      } else if (message.kind === 'unavailable') {
        stop();
        reject(new UsageError(message.why));
      } else {
        if (message.coverage !== null) process.stderr.write(`${message.coverage}\n`);
        end(message.failures);
      }
    });
  });
}

/** What plays the case again, and what went wrong. */
function report(name: string, { seed, size, what }: CaseFailure): void {
  process.stderr.write(`npm run soak -- ${name} --count ${size} --seed ${seed}: ${what}\n`);
}

async function main(): Promise<number> {
  const { name, count, seed } = readArguments(process.argv.slice(2));
  const started = performance.now();
  const failures = await play({ name, count, seed });
  const seconds = Math.round(performance.now() - started) / 1000;
  process.stdout.write(`${JSON.stringify({ name, count, failures, seed, seconds })}\n`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`soak: ${error.message}\n`);
  process.exitCode = 2;
}
