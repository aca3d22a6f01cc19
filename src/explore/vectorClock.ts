// Vector clocks: what comes before what, where several run side by side.

/** By place of each that runs: how much of what it does comes before the clock's moment. A place that is not there: none. */
export type Clock = number[];

/** What comes before `from` comes before `into` from now on. */
export function join(into: Clock, from: Clock): void {
  for (let place = 0; place < from.length; place++) {
    const count = from[place] ?? 0;
    if (count > (into[place] ?? 0)) into[place] = count;
  }
}
