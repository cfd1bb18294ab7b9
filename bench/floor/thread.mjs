// A thread of the floor: the smallest program that does what a driver's call comes down to, in a loop. Plain Node.js and
// koffi, so that a thread is up in some milliseconds.
import { parentPort } from 'node:worker_threads';
import { programs } from './programs.mjs';

const port = parentPort;
if (port === null) throw new Error('it runs in a worker thread only');

port.on('message', ({ program, names, options }) => {
  const run = programs[program];
  try {
    if (run === undefined) throw new Error(`the floor has no program ${program}`);
    const times = names.map((name) => {
      const since = performance.now();
      run(name, options);
      return performance.now() - since;
    });
    port.postMessage({ times });
  } catch (error) {
    port.postMessage({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
port.postMessage({ ready: true });
