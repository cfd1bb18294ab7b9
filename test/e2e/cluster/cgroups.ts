import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../src/base/errors.js';
import { waitFor } from '../../lib/wait.js';

const ROOT = '/sys/fs/cgroup';
/** By it the next start finds what a killed run left. */
const PREFIX = 'kayal-e2e-';

/** For kubelet's cgroupRoot. */
export function cgroupOf(node: string): string {
  return `/${PREFIX}${node}`;
}

async function isUnified(): Promise<boolean> {
  return readFile(join(ROOT, 'cgroup.controllers'), 'utf8').then(
    () => true,
    () => false,
  );
}

/** The roots of the hierarchies: one with version 2 (cgroups(7)), one per controller with version 1. */
async function hierarchies(): Promise<readonly string[]> {
  if (await isUnified()) return [ROOT];
  const names = await readdir(ROOT);
  return names.map((name) => join(ROOT, name));
}

async function isHierarchy(path: string): Promise<boolean> {
  return readFile(join(path, 'cgroup.procs')).then(
    () => true,
    () => false,
  );
}

/** A group for all of a node's pods in every hierarchy, with its controllers on. */
export async function createCgroup(node: string): Promise<void> {
  if (await isUnified()) {
    const controllers = (await readFile(join(ROOT, 'cgroup.controllers'), 'utf8')).trim().split(' ');
    const all = controllers.map((name) => `+${name}`).join(' ');
    await writeFile(join(ROOT, 'cgroup.subtree_control'), all);
  }
  for (const root of await hierarchies()) {
    if (!(await isHierarchy(root))) continue;
    const path = join(root, cgroupOf(node));
    await mkdir(path, { recursive: true });
    // With version 1 a new group has no processors and no memory nodes, and takes no process (cpuset(7)).
    for (const name of ['cpuset.cpus', 'cpuset.mems']) {
      const value = await readFile(join(root, name), 'utf8').catch(() => '');
      if (value !== '') await writeFile(join(path, name), value);
    }
  }
}

async function removeTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await removeTree(join(path, entry.name));
  // A process that has just ended counts until the kernel is through with it.
  await waitFor(`the cgroup ${path} to be empty`, () =>
    rmdir(path).then(
      () => true as const,
      (error: unknown) => {
        if (isErrno(error, 'ENOENT')) return true as const;
        if (!isErrno(error, 'EBUSY')) throw error;
        return undefined;
      },
    ),
  );
}

/** The groups of all nodes, in every hierarchy. */
export async function findCgroups(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const root of await hierarchies()) {
    const names = await readdir(root).catch((): string[] => []);
    found.push(...names.filter((one) => one.startsWith(PREFIX)).map((name) => join(root, name)));
  }
  return found;
}

/** Those of all nodes. Their processes have to be gone. */
export async function removeCgroups(): Promise<void> {
  for (const path of await findCgroups()) await removeTree(path);
}
