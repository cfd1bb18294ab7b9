import { KayalError, messageOf } from '../../base/errors.js';
import { Limiter } from '../../base/limiter.js';
import { isVolumeId } from '../records/handle.js';
import { REQUESTS_DIRECTORY } from '../records/layout.js';
import {
  MAX_REQUEST_BYTES,
  formatRequest,
  isRefused,
  parseRequest,
  refuse,
  requestPath,
  type VolumeRequest,
} from '../requests/node-request.js';
import { change, type Session } from '../pool/session.js';
import { importDirectory } from './import.js';
import { answerInventory, answerRelease, makeInline } from './inline.js';

/** Requests answered at a time: many pods may start at once. */
const PARALLEL = 6;
/** A temporary file that has been there for so long belongs to a node that was killed, in ms; one that was hung asks again. */
const LEFT_AFTER_MS = 30_000;

/** Answers what nodes ask of the controller in `.kayal/requests`: with a record, or with a refusal in the request. */
export async function answerRequests(session: Session): Promise<void> {
  const entries = (await session.tree.list(REQUESTS_DIRECTORY)) ?? [];
  const files = entries.filter(({ type }) => type === 'file').map(({ name }) => name);
  await removeLeft(
    session,
    files.filter((name) => name.startsWith('.')),
  );
  const limiter = new Limiter(PARALLEL);
  const answers = await Promise.allSettled(
    files
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .map((name) => limiter.run(() => answerFile(session, name.slice(0, -'.json'.length)))),
  );
  for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
}

async function answerFile(session: Session, name: string): Promise<void> {
  const [kind, id] = name.includes('~') ? name.split('~', 2) : ['volume', name];
  const release = session.locks.tryAcquire(kind === 'inventory' ? name : (id ?? name));
  if (release === undefined) return;
  try {
    if (kind === 'inventory') await answerInventory(session, `${REQUESTS_DIRECTORY}/${name}.json`);
    else if (kind === 'release') await answerRelease(session, id ?? '');
    else await answerVolume(session, name);
  } finally {
    release();
  }
}

async function answerVolume(session: Session, id: string): Promise<void> {
  const { tree, lease, log } = session;
  const path = requestPath(id);
  const data = await tree.readFile(path, MAX_REQUEST_BYTES);
  if (data === undefined) return;
  let request: VolumeRequest | undefined;
  try {
    request = parseRequest(data.toString('utf8'));
    if (isRefused(request)) return;
    // The node writes a new request when it asks again; one that nobody asks for any more goes.
    if (request.refused === undefined) await perform(session, id, request);
    await change(session, () => tree.unlink(path));
  } catch (error) {
    if (error instanceof KayalError && error.code === 'UNAVAILABLE') throw error;
    const refusal = request && refuse(request, error);
    log.warn({ volume: id, kind: request?.kind, error: messageOf(error) }, 'request of a node refused');
    await change(session, async () => {
      if (refusal === undefined) await tree.unlink(path);
      else await tree.replaceFile(lease.temporary(`request-${id}`), path, formatRequest(refusal));
    });
  }
}

async function perform(session: Session, id: string, request: VolumeRequest): Promise<void> {
  if (request.kind === 'import') {
    await importDirectory(session, id, { path: request.path, size: BigInt(request.size) });
    session.log.info({ volume: id }, 'imported');
    return;
  }
  if (!isVolumeId(id)) throw new KayalError('INVALID_ARGUMENT', `${id} is no id of a volume`);
  await makeInline(session, id, request);
}

const leftSince = new WeakMap<Session, Map<string, number>>();

/** Each temporary file of a write that was cut off has a name of its own, so nobody writes over it. */
async function removeLeft(session: Session, names: readonly string[]): Promise<void> {
  const before = leftSince.get(session) ?? new Map<string, number>();
  const now = performance.now();
  const since = new Map(names.map((name) => [name, before.get(name) ?? now]));
  leftSince.set(session, since);
  for (const [name, from] of since) {
    if (now - from < LEFT_AFTER_MS) continue;
    await change(session, () => session.tree.unlink(`${REQUESTS_DIRECTORY}/${name}`));
  }
}
