/*
 * Which node writes a hybrid volume. The files are those of image leases (image-lease-files.ts), of epoch 1 all the time: a
 * turn is held by one node at most, and each one that follows has a higher number. What a node writes into the pool has the
 * number of its turn in its name, so that whatever a former holder does late counts for nobody (hybrid/states.ts).
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { aborted } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { formatHandle } from '../records/handle.js';
import { imageLeaseDirectory } from '../records/layout.js';
import type { VolumeRecord } from '../records/record.js';
import {
  latestTurn,
  listLeaseFiles,
  readHolder,
  removeLeaseFiles,
  turnPath,
  turnTemporary,
  type ImageHolder,
  type Turn,
} from './image-lease-files.js';
import { heldByAnother, isSameMachine, type ImageUser } from './image-lease.js';

const EPOCH = 1;
const TRIES = 20;

type HybridVolume = Pick<VolumeRecord, 'id' | 'pool' | 'path'>;

export interface HeldTurn {
  readonly turn: number;
  readonly holder: ImageHolder;
}

/** The turn that somebody has; undefined: nobody writes the volume. */
export async function heldTurn(tree: Tree, id: string): Promise<HeldTurn | undefined> {
  for (let tries = 0; tries < TRIES; tries++) {
    const latest = latestTurn(await listLeaseFiles(tree, id), EPOCH);
    if (latest?.state !== 'held') return undefined;
    const holder = await readHolder(tree, id, latest);
    if (holder !== undefined) return { turn: latest.turn, holder };
  }
  throw aborted(`the holder of volume ${id} changes all the time; retry`);
}

/** True when this node has that turn, and no later one was begun. */
export async function hasTurn(tree: Tree, id: string, turn: number, self: ImageUser): Promise<boolean> {
  const held = await heldTurn(tree, id);
  return held?.turn === turn && isSameMachine(held.holder, self);
}

/**
 * Makes this node the one that writes the volume; it keeps its turn over a restart, and a reboot, of its own.
 * @param least the number that a new turn has at least: a volume that was copied has states of the turns of another one
 * @returns the number of the turn
 * @throws KayalError FAILED_PRECONDITION naming the node that has the turn, ABORTED
 */
export async function takeTurn(tree: Tree, record: HybridVolume, self: ImageUser, least: number): Promise<number> {
  const { id } = record;
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries > 1) await sleep(randomInt(10, 100));
    const latest = latestTurn(await listLeaseFiles(tree, id), EPOCH);
    if (latest?.state === 'held') {
      const holder = await readHolder(tree, id, latest);
      if (holder === undefined) continue;
      if (!isSameMachine(holder, self)) throw heldByAnother(record, holder);
      return latest.turn;
    }
    const mine: Turn = { epoch: EPOCH, turn: Math.max((latest?.turn ?? 0) + 1, least), state: 'held' };
    await tree.mkdirs(imageLeaseDirectory(id), 0o700);
    const text = Buffer.from(`${JSON.stringify({ ...self, since: new Date().toISOString() })}\n`);
    if (!(await tree.createFile(turnTemporary(id, mine, self.node), turnPath(id, mine), text))) continue;
    // The directory may have been read long ago (SIGSTOP): a turn that came later has precedence.
    const now = latestTurn(await listLeaseFiles(tree, id), EPOCH);
    if (now?.turn !== mine.turn || now.state !== 'held') {
      await tree.unlink(turnPath(id, mine));
      continue;
    }
    await removeLeaseFiles(tree, id, (file) => file.turn < mine.turn);
    return mine.turn;
  }
  throw aborted(`many nodes try to write volume ${formatHandle(record)} at once; retry`);
}

/** Ends a turn, whoever has it; OK when it has ended. The next one gets a higher number. */
export async function endTurn(tree: Tree, id: string, turn: number): Promise<void> {
  const held: Turn = { epoch: EPOCH, turn, state: 'held' };
  await tree.rename(turnPath(id, held), turnPath(id, { ...held, state: 'free' }));
}
