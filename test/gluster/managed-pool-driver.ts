// A driver of its own for managed-pool.test.ts to kill: starts a pool, says so, and waits.
import { PoolBench, type PoolWish } from '../lib/managed-pool.js';

const [directory = '', wish = '{}'] = process.argv.slice(2);
const bench = new PoolBench(directory);
const pool = await bench.start(JSON.parse(wish) as PoolWish);
const { client } = await bench.mount(pool);
process.stdout.write(`${JSON.stringify({ bricks: pool.bricks(), client: client.pid })}\n`);
setInterval(() => undefined, 60_000);
