import { readFile } from 'node:fs/promises';

/** What the driver with this log serves at /metrics now. @throws Error when it serves none */
export async function servedMetrics(log: string): Promise<string> {
  const addresses = (await readFile(log, 'utf8')).matchAll(/"metrics":"([^"]+)"/g);
  const address = [...addresses].at(-1)?.[1];
  if (address === undefined) throw new Error(`no metrics are served, says ${log}`);
  return (await fetch(`http://${address}/metrics`)).text();
}
