import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { messageOf } from '../base/errors.js';
import { machine } from './machine.js';
import { parseMountinfo, type MountEntry } from './mountinfo.js';

/** Where a process is in one hierarchy: a line of /proc/PID/cgroup (cgroups(7)). */
export interface CgroupMembership {
  /** Comma-separated, `name=systemd` for one without controllers; '' for version 2. */
  readonly controllers: string;
  /** As seen from the root of the reader's cgroup namespace: it starts with `/..` outside of that. */
  readonly path: string;
}

/** Lines that are none are skipped. */
export function parseCgroups(text: string): CgroupMembership[] {
  return text.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    return controllers === undefined || path === undefined ? [] : [{ controllers, path }];
  });
}

/** @throws Error ENOENT or ESRCH when there is no such process */
async function cgroupsOf(pid: number): Promise<CgroupMembership[]> {
  return parseCgroups(await readFile(`/proc/${pid}/cgroup`, 'utf8'));
}

function isOfHierarchy({ fsType, superOptions }: MountEntry, controllers: string): boolean {
  if (controllers === '') return fsType === 'cgroup2';
  return fsType === 'cgroup' && controllers.split(',').every((name) => superOptions.includes(name));
}

/** The directory of a cgroup below one of these mounts, which may show a part of the hierarchy only; undefined: none does. */
export function cgroupDirectory(
  entries: readonly MountEntry[],
  { controllers, path }: CgroupMembership,
): string | undefined {
  for (const { target, root, ...entry } of entries) {
    if (!isOfHierarchy({ target, root, ...entry }, controllers)) continue;
    if (root === '/' && !path.startsWith('/..')) return posix.join(target, path);
    // Both are relative to the same cgroup namespace; what is above that is `/..`, which must not be resolved.
    if (path === root || path.startsWith(`${root}/`)) return `${target}${path.slice(root.length)}`;
  }
  return undefined;
}

/** Directories of a cgroup as this process can reach it, the best first: a container often sees its own cgroups only. */
async function directoriesOf(membership: CgroupMembership, model: number): Promise<string[]> {
  const seen = await Promise.all(
    ['self', '1', String(model)].map(async (pid) => {
      const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
      const directory = cgroupDirectory(parseMountinfo(text), membership);
      return directory === undefined ? [] : [`/proc/${pid}/root${directory}`];
    }),
  );
  return seen.flat();
}

async function join(pid: number, membership: CgroupMembership, model: number): Promise<void> {
  let reason = 'it is mounted nowhere';
  for (const directory of await directoriesOf(membership, model)) {
    try {
      // cgroups(7): takes all threads of the process along, in version 1 too.
      await machine.writeFile(`${directory}/cgroup.procs`, String(pid));
      return;
    } catch (error) {
      reason = messageOf(error);
    }
  }
  throw new Error(
    `process ${pid} cannot be moved into the cgroup ${membership.controllers}:${membership.path}: ${reason}`,
  );
}

/**
 * Moves a process into all cgroups that another one is in, so that it lives and ends with that one's container, and its
 * memory is counted there. Its children stay where they are.
 * @throws Error with the cgroup and the reason; some may have been entered by then, and another call goes on
 */
export async function joinCgroupsOf(pid: number, model: number): Promise<void> {
  const wanted = await cgroupsOf(model);
  const now = new Map((await cgroupsOf(pid)).map(({ controllers, path }) => [controllers, path]));
  for (const membership of wanted) {
    if (now.get(membership.controllers) !== membership.path) await join(pid, membership, model);
  }
}
