// Numbers as people read them.

const UNITS = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
];

/** Of virtual time, with as many digits as tell moments apart that are `step` ns from each other. */
export function timeText(ns, step = ns / 1000) {
  const [size, unit] = UNITS.find(([least]) => Math.abs(ns) >= least) ?? [1, 'ns'];
  const digits = Math.max(0, Math.min(9, Math.ceil(Math.log10(size / Math.max(step, 1e-3)))));
  return `${(ns / size).toFixed(unit === 'ns' ? 0 : digits)} ${unit}`;
}

export function compact(value) {
  const size = Math.abs(value);
  for (const [least, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ]) {
    if (size >= least) return `${trimmed(value / (letter === 'k' ? 1e3 : least), 1)}${letter}`;
  }
  return trimmed(value, size >= 100 ? 0 : size >= 1 ? 1 : 3);
}

const trimmed = (value, digits) => String(Number(value.toFixed(digits)));

export const whole = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ',');

export function bytesText(bytes) {
  if (bytes === 0) return '0';
  if (bytes < 2 ** 20) return `${trimmed(bytes / 2 ** 10, 0)} KiB`;
  return bytes < 2 ** 30 ? `${trimmed(bytes / 2 ** 20, 1)} MiB` : `${trimmed(bytes / 2 ** 30, 2)} GiB`;
}

export const hex = (value) => `0x${value.toString(16)}`;
