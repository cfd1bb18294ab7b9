import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { driverPaths } from './driver.js';
import { mustRun } from './run-command.js';
import { waitFor } from './wait.js';

/** Keys of a pool that has inline volumes. */
export const INLINE = { inlineVolumes: { maxSize: '64Mi', maxPerNode: 3 } };
/** What a pod asks for. */
export const SMALL = { size: '20Mi' };

/** A filesystem of its own, as a directory pool has to be. */
export async function memoryDirectory(base: string): Promise<string> {
  const path = join(base, 'pool');
  await mustRun('mkdir', [path]);
  await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'inline', path]);
  return path;
}

/** Where a node notes its inline volumes. */
export function inlineStore(directory: string): string {
  return join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/inline');
}

/** Every file and directory of a pool that tells of an inline volume. */
export async function tracesOf(root: string): Promise<string[]> {
  const traces: string[] = [];
  for (const directory of ['.kayal/volumes', '.kayal/requests', '.kayal/trash', '.kayal/uses', 'volumes']) {
    const names = await readdir(join(root, directory), { recursive: true }).catch(() => []);
    traces.push(...names.filter((name) => name.includes('csi-')).map((name) => `${directory}/${name}`));
  }
  return traces;
}

export async function expectNoTraces(root: string, timeoutMs = 30_000): Promise<void> {
  let traces: string[] = [];
  const look = async (): Promise<true | undefined> => {
    traces = await tracesOf(root);
    return traces.length === 0 ? true : undefined;
  };
  await waitFor('nothing to be left', look, { timeoutMs }).catch(() => undefined);
  expect(traces).toEqual([]);
}
