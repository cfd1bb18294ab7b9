import { readdir, readFile, readlink } from 'node:fs/promises';
import { isErrno } from '../base/errors.js';
import { parseMountinfo, type MountEntry } from './mountinfo.js';
import type { NamespaceId } from './operations/namespace.js';

export type { NamespaceId } from './operations/namespace.js';

/** What a process of some container is asked at a time; procfs answers from memory. */
const AT_ONCE = 32;

/** As /proc/self/ns/mnt reads. */
export function ownNamespace(): Promise<string> {
  return readlink('/proc/self/ns/mnt');
}

/** What /proc says, or undefined when that process has ended. */
async function ofProcess<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    // EACCES: a process that is just ending.
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EINVAL')) return undefined;
    throw error;
  }
}

interface Member {
  readonly pid: number;
  readonly id: string;
  /** It sees the whole namespace, not a part of it after chroot(2). */
  readonly whole: boolean;
}

function memberOf(pid: number): Promise<Member | undefined> {
  return ofProcess(async () => {
    const id = await readlink(`/proc/${pid}/ns/mnt`);
    return { pid, id, whole: (await readlink(`/proc/${pid}/root`)) === '/' };
  });
}

/**
 * Every mount namespace that /proc shows, with its processes, those first that see all of it. Without hostPID these are
 * only our own container's.
 */
export async function mountNamespaces(): Promise<NamespaceId[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = new Map<string, { readonly whole: number[]; readonly others: number[] }>();
  for (let at = 0; at < pids.length; at += AT_ONCE) {
    for (const member of await Promise.all(pids.slice(at, at + AT_ONCE).map(memberOf))) {
      if (member === undefined) continue;
      const known = found.get(member.id) ?? { whole: [], others: [] };
      found.set(member.id, known);
      known[member.whole ? 'whole' : 'others'].push(member.pid);
    }
  }
  return [...found].map(([id, { whole, others }]) => ({ id, pids: [...whole, ...others] }));
}

/** The mounts of a namespace; undefined when all its processes have ended. */
export async function mountsOf({ pids, id }: NamespaceId): Promise<MountEntry[] | undefined> {
  for (const pid of pids) {
    const text = await ofProcess(async () => {
      const read = await readFile(`/proc/${pid}/mountinfo`, 'utf8');
      return (await readlink(`/proc/${pid}/ns/mnt`)) === id ? read : undefined;
    });
    if (text !== undefined) return parseMountinfo(text);
  }
  return undefined;
}
