// What goes wrong in loading a variant: an edit that does not fit, a scenario that does not parse. One clear line;
// exit code 2.

export class LoadError extends Error {
  override readonly name = 'LoadError';
}
