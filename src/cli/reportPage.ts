// The page of `umbra run --report`: opened before the run, filled while it lasts, written when it is over, however it
// ended.
//
// session.ts drives it; report/ records and draws. A page that cannot be written is the user's to hear of.

import type { Machine } from '../machine.ts';
import { OutputFile } from '../platform/index.ts';
import { type PageFacts, pageOf, type RunRecord, RunRecorder } from '../report/index.ts';
import { Layout } from '../vmm/index.ts';
import type { RunReport } from './report.ts';
import { counterSections, summary } from './summary.ts';
import { bytesInWords, count } from './words.ts';

export interface PageRequest {
  readonly path: string;
  /** The guest's file, and the command line that runs it. */
  readonly guest: string;
  readonly command: string;
}

export class ReportPage {
  readonly #request: PageRequest;
  readonly #file: OutputFile;
  #recorder: RunRecorder | null = null;
  #record: RunRecord | null = null;

  /** Throws FileError. */
  constructor(request: PageRequest) {
    this.#request = request;
    this.#file = new OutputFile(request.path, 'report');
  }

  /** Before the machine runs. */
  attach(machine: Machine): void {
    this.#recorder = new RunRecorder(machine);
  }

  /** The run is over, and the machine still stands. */
  finish(): void {
    this.#record = this.#recorder!.finish();
  }

  /** Throws FileError. */
  write(report: RunReport): void {
    const record = this.#record!;
    const passed = record.edges.at(-1)! - record.edges[0]!;
    this.#file.write(new TextEncoder().encode(pageOf(factsOf(this.#request, report, passed), record)));
    if (this.#file.failure !== null) throw this.#file.failure;
  }

  close(): void {
    this.#file.close();
  }
}

function endOf({ outcome }: RunReport): PageFacts['end'] {
  if (outcome === 'limit' || outcome === 'interrupt') return 'early';
  return outcome === 'pass' ? 'well' : 'badly';
}

const large = (value: number): string => (value < 1e9 ? count(value) : `${(value / 1e9).toFixed(2)} G`);

function timeInWords(ns: number): string {
  if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} µs`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}

/** `passed` is virtual time, ns. */
function factsOf({ guest, command }: PageRequest, report: RunReport, passed: number): PageFacts {
  const { ram, vm, kvm, notifier, swap } = report;
  return {
    title: `${guest}: ${bytesInWords(ram.guestBytes)} of RAM on a host of ${bytesInWords(ram.hostBytes)}`,
    verdict: summary(report),
    end: endOf(report),
    command,
    figures: [
      [large(report.instructions), 'instructions'],
      [timeInWords(passed), 'virtual time'],
      [count(kvm.pf_taken ?? 0), 'guest faults'],
      [count(vm.pswpout ?? 0), 'pages to swap'],
      [count(vm.pswpin ?? 0), 'pages from swap'],
      [count(notifier.invalidate_range_start ?? 0), 'invalidations'],
      [bytesInWords(ram.hostPeakBytes), 'most host memory'],
      [bytesInWords(swap.peakBytes), 'most swap'],
    ],
    ramBase: Layout.ram,
    hostBytes: ram.hostBytes,
    counters: counterSections(report),
  };
}
