import { MiB } from '../base/units.js';
import type { QuotaMechanism } from './mechanism.js';

/** Keeps no limit: a volume can grow until the pool is full. Only ever used when the config asks for it. */
export const noLimits: QuotaMechanism = {
  name: 'none',
  minimumBytes: MiB,
  probe: async () => {},
  allocate: async () => undefined,
  set: async () => {},
  get: async () => undefined,
  clear: async () => {},
};
