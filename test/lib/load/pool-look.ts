import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMIT_XATTR, decodeLimit } from '../../../src/quota/gluster-xattrs.js';
import { parseRecord } from '../../../src/volumes/records/record.js';
import { parseSnapshot } from '../../../src/volumes/records/snapshot-record.js';
import { runCommand } from '../run-command.js';
import { readFiles } from './pod-files.js';
import type { Files } from './told.js';

/** A volume as a brick has it. */
export interface SeenVolume {
  readonly id: string;
  /** On record; undefined: there is no record of a volume that is ready. */
  readonly recordedBytes: number | undefined;
  /** In the filesystem. */
  readonly limitBytes: number | undefined;
  /** Undefined: there is no data. */
  readonly files: Files | undefined;
}

export interface SeenSnapshot {
  readonly id: string;
  /** What the pool promises to it, on record; undefined: there is no record of a snapshot that is ready. */
  readonly usedBytes: number | undefined;
  readonly files: Files | undefined;
}

/** What lies on a brick, read past GlusterFS and past the driver. */
export interface SeenPool {
  readonly volumes: ReadonlyMap<string, SeenVolume>;
  readonly snapshots: ReadonlyMap<string, SeenSnapshot>;
  /** What is on its way: trash, archive, former images, requests, image leases; paths below the brick. */
  readonly unfinished: readonly string[];
}

/** Nothing is in them when nothing is under way. */
const EMPTY_IN_THE_END = ['.kayal/trash', '.kayal/archive', '.kayal/lost'];
/** Their directories stay. */
const WITHOUT_FILES_IN_THE_END = ['.kayal/requests', '.kayal/paths', '.kayal/leases/images'];

/** The directories `<two hex digits>/<name>` below one. */
async function inBuckets(directory: string): Promise<string[]> {
  const buckets = await readdir(directory);
  const lists = await Promise.all(
    buckets.map(async (bucket) => (await readdir(join(directory, bucket))).map((name) => join(bucket, name))),
  );
  return lists.flat();
}

const lastName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** The files of a folder of records, by id. */
async function records(directory: string): Promise<Map<string, string>> {
  const paths = await inBuckets(directory);
  const texts = paths.map(async (path) => {
    const id = lastName(path).replace(/\.json$/, '');
    return [id, await readFile(join(directory, path), 'utf8')] as const;
  });
  return new Map(await Promise.all(texts));
}

/** Undefined: it is none, as on a brick that is just being healed. */
function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** features/marker adds the version of its bookkeeping to the names that clients know. */
const STORED_LIMIT_XATTR = `${LIMIT_XATTR}.1`;

/** features/quota's limits in bytes, of directories that have one. */
export async function readLimits(directories: readonly string[]): Promise<Map<string, number>> {
  if (directories.length === 0) return new Map();
  // It fails when one directory has none; the others are told.
  const argv = ['--absolute-names', '-n', STORED_LIMIT_XATTR, '-e', 'hex', '--', ...directories];
  const { stdout } = await runCommand('getfattr', argv);
  const found = stdout.matchAll(/^# file: (.+)\n\S+=0x([0-9a-f]+)$/gm);
  return new Map(
    [...found].map(([, path = '', hex = '']) => [path, Number(decodeLimit(Buffer.from(hex, 'hex')) ?? 0n)]),
  );
}

/** @param root the directory of a brick that holds everything */
export async function lookAtBrick(root: string): Promise<SeenPool> {
  const data = new Map((await inBuckets(join(root, 'volumes'))).map((path) => [lastName(path), path]));
  const recorded = await records(join(root, '.kayal/volumes'));
  const limits = await readLimits([...data.values()].map((path) => join(root, 'volumes', path)));
  const volumes = new Map<string, SeenVolume>();
  for (const id of new Set([...data.keys(), ...recorded.keys()])) {
    const text = recorded.get(id);
    const record = text === undefined ? undefined : parsed(() => parseRecord(id, text));
    const path = data.get(id);
    const directory = path === undefined ? undefined : join(root, 'volumes', path);
    volumes.set(id, {
      id,
      recordedBytes: record?.state === 'ready' ? Number(record.limitBytes) : undefined,
      limitBytes: directory === undefined ? undefined : limits.get(directory),
      files: directory === undefined ? undefined : await readFiles(directory),
    });
  }
  return { volumes, snapshots: await lookAtSnapshots(root), unfinished: await lookAtUnfinished(root) };
}

async function lookAtSnapshots(root: string): Promise<ReadonlyMap<string, SeenSnapshot>> {
  const directory = join(root, '.kayal/data/snapshots');
  const data = new Set(await readdir(directory));
  const recorded = await records(join(root, '.kayal/snapshots'));
  const snapshots = new Map<string, SeenSnapshot>();
  for (const id of new Set([...data, ...recorded.keys()])) {
    const text = recorded.get(id);
    const record = text === undefined ? undefined : parsed(() => parseSnapshot(id, text));
    snapshots.set(id, {
      id,
      usedBytes: record?.state === 'ready' ? Number(record.usedBytes) : undefined,
      files: data.has(id) ? await readFiles(join(directory, id)) : undefined,
    });
  }
  return snapshots;
}

async function lookAtUnfinished(root: string): Promise<string[]> {
  const entries = EMPTY_IN_THE_END.map(async (name) =>
    (await readdir(join(root, name))).map((entry) => `${name}/${entry}`),
  );
  const files = WITHOUT_FILES_IN_THE_END.map(async (name) =>
    (await readdir(join(root, name), { recursive: true, withFileTypes: true }))
      .filter((entry) => !entry.isDirectory())
      .map((entry) => `${name}/${entry.name}`),
  );
  return (await Promise.all([...entries, ...files])).flat();
}
