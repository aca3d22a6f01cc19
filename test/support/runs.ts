// Sequences of events as tests of order compare them.

/** Equal events in a row are told once, with their number. */
export function runsOf(events: readonly string[]): string[] {
  const runs: { readonly event: string; times: number }[] = [];
  for (const event of events) {
    const last = runs.at(-1);
    if (last?.event === event) last.times++;
    else runs.push({ event, times: 1 });
  }
  return runs.map(({ event, times }) => (times > 1 ? `${event} x${times}` : event));
}
