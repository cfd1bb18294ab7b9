import type { QuotaMechanism } from '../quota/mechanism.js';
export async function createMechanism(_: object): Promise<QuotaMechanism> {
  return {
    name: 'none',
    minimumBytes: 1048576n,
    probe: () => Promise.resolve(),
    allocate: () => Promise.resolve(undefined),
    set: () => Promise.resolve(),
    get: () => Promise.resolve(undefined),
    clear: () => Promise.resolve(),
  };
}
