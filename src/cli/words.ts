// Numbers in words, as summaries print them. Used by the live line, the summaries and the demo.

/** "12,345". */
export const count = (value: number): string => value.toLocaleString('en-US');

/** "16.0 MiB". */
export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** "1 page", "2 pages". */
export const plural = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
