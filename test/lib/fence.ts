import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';

/** The controller has one fence directory, of its own lease, and nothing half made is in it. @param root of a pool's tree */
export async function expectFenceEmpty(root: string): Promise<void> {
  const leases = join(root, '.kayal/leases');
  const fences = (await readdir(leases)).filter((name) => /^controller\.\d+$/.test(name));
  expect(fences).toHaveLength(1);
  const inside = await readdir(join(leases, fences[0] ?? ''));
  expect(inside.filter((name) => name !== 'tmp-lease')).toEqual([]);
}
