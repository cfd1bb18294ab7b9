import { describeLeftovers, findLeftovers, removeLeftovers } from '../lib/leftovers.js';

/** Whatever tests leave running, mounted or attached is a failure, and is taken away for the next ones. */
export async function countLeaks(name: string, directory: string): Promise<number> {
  const leaks = describeLeftovers(await findLeftovers(directory));
  if (leaks.length === 0) return 0;
  process.stdout.write(`${name} left behind:\n${leaks.map((leak) => `  ${leak}\n`).join('')}`);
  await removeLeftovers(directory);
  return 1;
}
