// What a session shares with the terminal: the guest's console, the live line, and Ctrl-C.
//
// run.ts and demo.ts set one up around each session.

import { Interrupt } from '../platform/index.ts';
import { GuestConsole } from './guestConsole.ts';
import { LiveLine } from './liveLine.ts';

export interface Screen {
  readonly console: GuestConsole;
  readonly liveLine: LiveLine;
  readonly interrupt: Interrupt;
}

/** Runs `body` with a screen whose console is `stream`; signals mean what they always mean before and after. */
export async function onScreen<T>(
  stream: NodeJS.WriteStream,
  body: (screen: Screen) => Promise<T>,
): Promise<T> {
  const interrupt = new Interrupt();
  const console = new GuestConsole(stream, interrupt);
  const liveLine = new LiveLine(process.stderr);
  console.onPrint = () => liveLine.clear();
  try {
    return await body({ console, liveLine, interrupt });
  } finally {
    liveLine.clear();
    console.dispose();
    interrupt.dispose();
  }
}
