// Where the time of a piece of work goes, by V8's profiler.

import { Session } from 'node:inspector';

export interface ProfileLine {
  readonly name: string;
  /** Of the work's time, in the function itself; 0 to 1. */
  readonly share: number;
}

/** The functions in which `work` spends most of its time. */
export function profileOf(work: () => void, lines: number): ProfileLine[] {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: 200 });
  session.post('Profiler.start');
  work();
  const spent = new Map<string, number>();
  let total = 0;
  session.post('Profiler.stop', (_, { profile }) => {
    const names = new Map(
      profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName || '(anonymous)']),
    );
    profile.samples?.forEach((id, i) => {
      const time = profile.timeDeltas?.[i] ?? 0;
      const name = names.get(id)!;
      spent.set(name, (spent.get(name) ?? 0) + time);
      total += time;
    });
  });
  session.disconnect();
  return [...spent]
    .sort(([, a], [, b]) => b - a)
    .slice(0, lines)
    .map(([name, time]) => ({ name, share: time / total }));
}
