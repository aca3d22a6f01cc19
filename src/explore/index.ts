// The face of explore/: scenarios, and the explorer that runs them in every order.

export { Explorer, type RunResult } from './explorer.ts';
export type { HostShape, Scenario, VmShape } from './scenario.ts';
export { formatSchedule, parseSchedule, type Schedule } from './schedule.ts';
export { BoundedSearch, pctStrategy, posStrategy, randomStrategy } from './strategies.ts';
export type { Found } from './verdict.ts';
export { RAM, World } from './world.ts';
