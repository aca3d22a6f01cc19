// What a user can get wrong about a trace: a pattern, a filter, a file. One clear line; cli/ answers exit code 2.

export class TraceError extends Error {
  override readonly name = 'TraceError';
}
