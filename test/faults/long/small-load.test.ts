import { describe } from 'vitest';
import { VICTIMS } from '../../lib/load/killer.js';
import { loadSuite } from '../../lib/load/load-suite.js';

/** Each fault once; load.test.ts is the large one. */
describe('a small load', () => {
  loadSuite({
    volumes: 60,
    clients: 8,
    strikes: VICTIMS.map((victim) => ({ victim })),
    brickMiB: 2 * 1024,
    timeoutMs: 600_000,
  });
});
