// What the oracle sees of drivers/ beyond its face.

export type { DeviceEntry } from './device.ts';
