// The command without a process of its own, for tests that run it many times.

import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';

// Every call of main() listens.
process.setMaxListeners(0);
process.stdout.setMaxListeners(0);
process.stderr.setMaxListeners(0);

/** The exit code and what is printed. */
export async function said(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const parts = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      parts[name] += text;
      return true;
    }),
  );
  try {
    return { code: await main(args), ...parts };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
