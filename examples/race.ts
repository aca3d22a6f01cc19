// A race found: npx tsx examples/race.ts
//
// Runs the driver of race.scenario.ts against reclaim in every order of their steps, up to the first that breaks an
// invariant, and prints that one.

import { explore } from 'umbra';

const scenario = new URL('./race.scenario.ts', import.meta.url);
const { found, schedules, text } = await explore(scenario, { bound: 1 });
console.log(found === null ? `no race in ${schedules} schedules` : text);
