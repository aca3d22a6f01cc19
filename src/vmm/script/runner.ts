// Runs the steps of a script on a host: one process, its children, two files.
//
// cli/mm.ts builds the host and prints what comes of each step. A step is a task of its own that runs to its end, and
// then the host finishes what it is at: I/O, reclaim. A failing system call is an answer like any other.
//
// Invariant: all of it is a function of the script and the host; when close() returns the host is as empty as it was.

import {
  Ext4,
  exitMm,
  type File,
  fileRead,
  fork,
  fput,
  type Host,
  MemoryBlockDevice,
  type Mm,
  reclaimSwapCache,
} from '../../mm/index.ts';
import type { Scheduler, Steps } from '../../sched/index.ts';
import { bug, Errno, PAGE_SIZE } from '../../units.ts';
import { stateOf } from './columns.ts';
import { execute } from './execute.ts';
import { FILE_PAGES, type FileIndex, initialByte, type Step } from './operation.ts';
import { type Answer, answerOf, formatRecord, type ProcessState } from './record.ts';

/** A process, and the numbers that it gave to the shared anonymous objects that it has seen. */
interface ScriptProcess {
  readonly mm: Mm;
  readonly names: Map<File, number>;
}

const ROOT = '0';
/** Enough for both files, however far a script extends them in a few steps. */
const DISK_BLOCKS = 4096;

export class ScriptRunner {
  readonly #host: Host;
  readonly #sched: Scheduler;
  readonly #processes = new Map<string, ScriptProcess>();
  readonly #fs: Ext4;
  readonly #files: readonly [File, File];
  #index = 0;

  constructor(host: Host) {
    this.#host = host;
    this.#sched = host.sched;
    this.#fs = new Ext4(host, new MemoryBlockDevice(DISK_BLOCKS));
    this.#files = [this.#fs.addFile(contentsOf(0)), this.#fs.addFile(contentsOf(1))];
    // Whoever made the files has just written them: they are in the page cache, clean.
    for (const file of this.#files) this.#run(fileRead(file, 0, new Uint8Array(FILE_PAGES * PAGE_SIZE)));
    const mm = this.#run(host.createMm());
    if (mm === null) bug('the host is too small for a process');
    this.#processes.set(ROOT, { mm, names: new Map() });
  }

  /** Carries out one step. Its record, one line of JSON. */
  step(step: Step): string {
    const answer = this.#answer(step);
    this.#settle();
    const found = this.#processes.get(step.proc);
    const state = found === undefined ? NOTHING : this.#stateOf(found);
    return formatRecord(this.#index++, step, answer, state);
  }

  /** Ends all processes and closes the files. */
  close(): void {
    for (const { mm } of this.#processes.values()) this.#run(exitMm(mm));
    this.#processes.clear();
    for (const file of this.#files) this.#run(fput(file));
    this.#run(this.#fs.unmount());
    this.#run(reclaimSwapCache(this.#host));
    this.#settle();
  }

  #answer({ proc, operation }: Step): Answer {
    const found = this.#processes.get(proc);
    // The fork that should have made it had no memory for it.
    if (found === undefined) return answerOf(-Errno.ESRCH);
    if (operation.kind === 'fork') return this.#fork(found, operation.child);
    if (operation.kind === 'exit') return this.#exit(operation.child);
    return this.#run(execute(found.mm, this.#files, operation));
  }

  #fork({ mm, names }: ScriptProcess, name: string): Answer {
    const child = this.#run(fork(mm));
    if (typeof child === 'number') return answerOf(child);
    const forked = { mm: child, names: new Map(names) };
    this.#processes.set(name, forked);
    this.#settle();
    return { child: { proc: name, state: this.#stateOf(forked) } };
  }

  #exit(name: string): Answer {
    const found = this.#processes.get(name);
    if (found === undefined) return answerOf(-Errno.ESRCH);
    this.#processes.delete(name);
    this.#run(exitMm(found.mm));
    return { status: 0 };
  }

  #stateOf({ mm, names }: ScriptProcess): ProcessState {
    return stateOf(mm, (file) => {
      const index = this.#files.indexOf(file);
      if (index >= 0) return `f${index}`;
      const number = names.get(file) ?? names.size;
      names.set(file, number);
      return `sh${number}`;
    });
  }

  /** Runs `body` to its end, as a task. */
  #run<T>(body: Steps<T>): T {
    const results: T[] = [];
    this.#sched.spawn(
      'script',
      (function* () {
        results.push(yield* body);
      })(),
    );
    if (this.#sched.run(() => results.length > 0) === 'deadlock')
      bug('a step of a script waits for ever', { blocked: this.#sched.describeBlocked() });
    return results[0] as T;
  }

  /** Until nothing can run any more and no event is due. */
  #settle(): void {
    this.#sched.run(() => false);
  }
}

const NOTHING: ProcessState = { vmas: [], pages: '' };

function contentsOf(index: FileIndex): Uint8Array {
  const bytes = new Uint8Array(FILE_PAGES * PAGE_SIZE);
  for (let page = 0; page < FILE_PAGES; page++)
    bytes.fill(initialByte(index, page), page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  return bytes;
}
