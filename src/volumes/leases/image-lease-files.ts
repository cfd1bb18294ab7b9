/*
 * The files that say which node uses a volume's image, in `.kayal/leases/images/<hh>/`:
 *
 *   <id>.<epoch>.<turn>.json   held; made by link(2), so that of many rivals one gets it
 *   <id>.<epoch>.<turn>.free   released, by a rename of the former; kept until the next turn begins
 *   <id>.<epoch>.takeover      the controller takes this epoch away from its holder: nobody begins a turn
 *
 * Epochs are those of the image. A turn is held once: whatever its holder does late (a release that hung) finds its own
 * turn's name gone, and never the next holder's.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { isErrno } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { imageLeaseDirectory } from '../records/layout.js';

const MAX_BYTES = 16 * 1024;

const holderSchema = v.looseObject({
  node: v.string(),
  machineId: v.string(),
  bootId: v.string(),
  since: v.string(),
});

/** A node that uses an image. */
export interface ImageHolder {
  readonly node: string;
  /** '' where the machine has none. */
  readonly machineId: string;
  readonly bootId: string;
  /** ISO 8601, UTC, by the clock of the node. */
  readonly since: string;
}

export interface Turn {
  readonly epoch: number;
  readonly turn: number;
  readonly state: 'held' | 'free';
}

/** All files of one volume. */
export interface LeaseFiles {
  readonly turns: readonly Turn[];
  /** Epochs that are being taken over. */
  readonly takeovers: readonly number[];
}

const NAME = /^([1-9]\d{0,14})\.(?:([1-9]\d{0,14})\.(json|free)|takeover)$/;

export function turnPath(id: string, { epoch, turn, state }: Turn): string {
  return `${imageLeaseDirectory(id)}/${id}.${epoch}.${turn}.${state === 'held' ? 'json' : 'free'}`;
}

export function takeoverPath(id: string, epoch: number): string {
  return `${imageLeaseDirectory(id)}/${id}.${epoch}.takeover`;
}

/**
 * A temporary for a lease. In the directory of the lease and named so that DHT puts both on the same group
 * (cluster.rsync-hash-regex, `^\.(.+)\.[^.]+$`): its link(2) refuses a name that is taken only within one group.
 */
export function turnTemporary(id: string, turn: Turn, node: string): string {
  const hash = createHash('sha256').update(node).digest('hex').slice(0, 16);
  const name = turnPath(id, turn).slice(imageLeaseDirectory(id).length + 1);
  return `${imageLeaseDirectory(id)}/.${name}.${hash}`;
}

export async function listLeaseFiles(tree: Tree, id: string): Promise<LeaseFiles> {
  const turns: Turn[] = [];
  const takeovers: number[] = [];
  for (const { name } of (await tree.list(imageLeaseDirectory(id))) ?? []) {
    if (!name.startsWith(`${id}.`)) continue;
    const match = NAME.exec(name.slice(id.length + 1));
    if (match === null) continue;
    const [, epoch, turn, kind] = match;
    if (turn === undefined) takeovers.push(Number(epoch));
    else turns.push({ epoch: Number(epoch), turn: Number(turn), state: kind === 'json' ? 'held' : 'free' });
  }
  return { turns, takeovers };
}

/** The turn of an epoch that counts; a turn that is both held and free was released between two reads of the directory. */
export function latestTurn({ turns }: LeaseFiles, epoch: number): Turn | undefined {
  return turns
    .filter((turn) => turn.epoch === epoch)
    .sort((a, b) => a.turn - b.turn || Number(a.state === 'free') - Number(b.state === 'free'))
    .at(-1);
}

/**
 * Who holds a turn; undefined when it was released meanwhile. A file that cannot be understood has a holder all the same:
 * nobody knows that it has gone.
 */
export async function readHolder(tree: Tree, id: string, turn: Turn): Promise<ImageHolder | undefined> {
  const unknown: ImageHolder = { node: '', machineId: '', bootId: '', since: '' };
  try {
    const data = await tree.readFile(turnPath(id, turn), MAX_BYTES);
    if (data === undefined) return undefined;
    const parsed = v.safeParse(holderSchema, JSON.parse(data.toString('utf8')));
    return parsed.success ? parsed.output : unknown;
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'EFBIG', 'EINVAL', 'EISDIR')) return unknown;
    if (isErrno(error, 'ESTALE')) return undefined;
    throw error;
  }
}

/** Removes every file of a volume's leases: of a volume that is gone. */
export async function forgetImageLeases(tree: Tree, id: string): Promise<void> {
  await removeLeaseFiles(tree, id, () => true);
}

/** Removes those files of a volume's leases that `which` says, temporaries of killed nodes too (turn 0). */
export async function removeLeaseFiles(
  tree: Tree,
  id: string,
  which: (file: { readonly epoch: number; readonly turn: number }) => boolean,
): Promise<void> {
  const directory = imageLeaseDirectory(id);
  for (const { name } of (await tree.list(directory)) ?? []) {
    const rest = /^\.?(.+)$/.exec(name)?.[1] ?? '';
    if (!rest.startsWith(`${id}.`)) continue;
    const known = name.startsWith('.') ? rest.slice(0, rest.lastIndexOf('.')) : rest;
    const match = NAME.exec(known.slice(id.length + 1));
    if (match === null) continue;
    if (which({ epoch: Number(match[1]), turn: Number(match[2] ?? 0) })) await tree.unlink(`${directory}/${name}`);
  }
}
