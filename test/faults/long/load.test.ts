import { describe } from 'vitest';
import { VICTIMS } from '../../lib/load/killer.js';
import type { Strike } from '../../lib/load/load-run.js';
import { loadSuite } from '../../lib/load/load-suite.js';

const ROUNDS = 6;
const STRIKES: readonly Strike[] = [
  ...VICTIMS.map((victim) => ({ victim })),
  { victim: 'driver', alsoWhileAway: 'node client' },
  { victim: 'driver', alsoWhileAway: 'brick' },
];

describe('a large load', () => {
  loadSuite({
    volumes: 1000,
    clients: 32,
    strikes: Array.from({ length: ROUNDS }, () => STRIKES).flat(),
    brickMiB: 16 * 1024,
    timeoutMs: 75 * 60_000,
  });
});
