import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { loopDevices } from '../../src/linux/loop-devices.js';

interface FoundRecord {
  readonly id: string;
  readonly state: string;
  readonly path: string;
  readonly type?: string | undefined;
  readonly limitBytes?: string | undefined;
  readonly usedBytes?: string | undefined;
  readonly sharedBytes?: string | undefined;
}

/** All that may lie in `.kayal` of a pool. */
const OWN = new Set('archive data leases lost paths pool.json requests snapshots trash uses volumes'.split(' '));
/** Of drivers in tests; what others hold says nothing. */
const OWN_NODE = 'node-1';
const SETTLED = new Set(['ready', 'retained', 'archived']);

async function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Paths of all that lies two levels below, as in `volumes/<h>/<id>`. */
async function inBuckets(root: string, directory: string): Promise<string[]> {
  const buckets = await namesIn(join(root, directory));
  const lists = await Promise.all(
    buckets.map(async (bucket) =>
      (await namesIn(join(root, directory, bucket))).map((name) => join(directory, bucket, name)),
    ),
  );
  return lists.flat();
}

async function recordsIn(root: string, directory: string): Promise<FoundRecord[]> {
  const paths = await inBuckets(root, directory);
  return Promise.all(paths.map(async (path) => JSON.parse(await readFile(join(root, path), 'utf8')) as FoundRecord));
}

/**
 * Looks at the files of a pool with nothing of Kayal's own code, when no call is under way.
 * @param promised what the driver takes for promised, in bytes
 * @returns what is not as it should be, a sentence each
 */
export async function poolProblems(root: string, promised: bigint | undefined): Promise<string[]> {
  const kayal = join(root, '.kayal');
  const volumes = await recordsIn(root, '.kayal/volumes');
  const snapshots = await recordsIn(root, '.kayal/snapshots');
  const problems = [
    ...(await unknownFiles(kayal)),
    ...(await withoutData(root, [...volumes, ...snapshots])),
    ...(await withoutRecord(root, volumes, snapshots)),
    ...(await leaseProblems(root, volumes)),
  ];
  for (const directory of ['trash', 'requests']) {
    const left = (await namesIn(join(kayal, directory))).filter((name) => name !== 'tasks');
    problems.push(...left.map((name) => `${directory} still has ${name}`));
  }
  const inRecords =
    volumes.reduce((sum, { type, limitBytes = '0' }) => sum + (type === 'hybrid' ? 3n : 1n) * BigInt(limitBytes), 0n) +
    snapshots.reduce((sum, { usedBytes = '0' }) => sum + BigInt(usedBytes), 0n);
  if (promised !== inRecords) problems.push(`the ledger has ${promised} bytes, the records come to ${inRecords}`);
  return problems;
}

async function unknownFiles(kayal: string): Promise<string[]> {
  const names = (await namesIn(kayal)).filter((name) => !OWN.has(name) && !name.startsWith('checkpoint'));
  return names.map((name) => `.kayal has ${name}, which nobody knows`);
}

async function withoutData(root: string, records: readonly FoundRecord[]): Promise<string[]> {
  const problems = await Promise.all(
    records.map(async ({ id, state, path }) => {
      if (!SETTLED.has(state)) return [`${id} is still ${state}`];
      return (await exists(join(root, path))) ? [] : [`${id} has no data at ${path}`];
    }),
  );
  return problems.flat();
}

async function withoutRecord(
  root: string,
  volumes: readonly FoundRecord[],
  snapshots: readonly FoundRecord[],
): Promise<string[]> {
  const recorded = new Set([...volumes, ...snapshots].map(({ path }) => path));
  const archive = (await namesIn(join(root, '.kayal/archive'))).map((name) => `.kayal/archive/${name}`);
  const copies = (await namesIn(join(root, '.kayal/data/snapshots'))).map((name) => `.kayal/data/snapshots/${name}`);
  const data = [...(await inBuckets(root, 'volumes')), ...archive, ...copies];
  const ids = new Set(volumes.map(({ id }) => id));
  const notes = await inBuckets(root, '.kayal/uses');
  return [
    ...data.filter((path) => !recorded.has(path)).map((path) => `${path} has no record`),
    ...notes.filter((path) => !ids.has(basename(path, '.json'))).map((path) => `${path} is of no volume`),
  ];
}

/** One fence and nothing half made in it; an image is held by this node only while a loop device has it. */
async function leaseProblems(root: string, volumes: readonly FoundRecord[]): Promise<string[]> {
  const leases = join(root, '.kayal/leases');
  const fences = (await namesIn(leases)).filter((name) => name !== 'images' && name !== 'controller.json');
  if (fences.length !== 1) return [`leases has ${fences.join(', ')}`];
  const halfMade = (await namesIn(join(leases, fences[0] ?? ''))).filter((name) => name !== 'tmp-lease');
  const problems = halfMade.map((name) => `${name} is half made`);
  const attached = (await loopDevices()).map(({ file }) => file);
  const pathOf = new Map(volumes.map(({ id, path }) => [id, path]));
  const hybrid = new Set(volumes.filter(({ type }) => type === 'hybrid').map(({ id }) => id));
  for (const file of await inBuckets(root, '.kayal/leases/images')) {
    // One that begins with a dot is half made, of a turn that a node began: the next turn removes it.
    const [, dot, id = '', epoch, kind] =
      /^(\.?)(.+?)\.(\d+)\.(?:\d+\.(json|free)|takeover)(?:\.\w+)?$/.exec(basename(file)) ?? [];
    const path = pathOf.get(id);
    if (path === undefined) problems.push(`${file} is of no volume`);
    const isHeld = dot === '' && kind === 'json';
    if (!isHeld || path === undefined || attached.includes(join(root, path, `image.${epoch}`))) continue;
    // The copy of a hybrid volume lies on the node's disk.
    if (hybrid.has(id) && attached.some((copy) => copy.endsWith(`/${id}/image.1`))) continue;
    const { node } = JSON.parse(await readFile(join(root, file), 'utf8')) as { readonly node?: string };
    if (node === OWN_NODE) problems.push(`${file}: the image is held, and no device has it`);
  }
  return problems;
}
