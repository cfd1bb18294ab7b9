import { alreadyExists, failedPrecondition, invalidArgument, notFound } from '../../base/errors.js';
import { chooseLimit } from './create.js';
import { isVolumeId } from '../records/handle.js';
import { claimPath } from '../pool/paths.js';
import { problemOfPath } from '../requests/path-pattern.js';
import { RECORD_FORMAT, type VolumeRecord } from '../records/record.js';
import { allocateProjectId } from '../pool/project-ids.js';
import { createRecord, updateRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';

/**
 * Takes an existing directory over as a volume with a limit: the record first, then the limit, verified.
 * @throws KayalError NOT_FOUND, ALREADY_EXISTS, INVALID_ARGUMENT, FAILED_PRECONDITION, RESOURCE_EXHAUSTED
 */
export async function importDirectory(
  session: Session,
  id: string,
  request: { readonly path: string; readonly size: bigint },
): Promise<VolumeRecord> {
  const { config, mechanism, catalog, poolFile, tree } = session;
  const existing = catalog.get(id);
  if (existing?.state === 'ready') return existing;
  const record = existing ?? (await beginImport());
  await claimPath(session, record);
  await mechanism.set({ path: record.path, projectId: record.quota.projectId }, record.limitBytes);
  return updateRecord(session, { ...record, state: 'ready' });

  async function beginImport(): Promise<VolumeRecord> {
    const { path } = request;
    const problem = problemOfPath(path);
    if (!isVolumeId(id) || problem !== undefined) {
      throw invalidArgument(
        `volume ${config.name}/${id}: path ${JSON.stringify(path)} ${problem ?? 'has no proper id'}`,
      );
    }
    const entry = await tree.stat(path);
    if (entry?.type !== 'directory') throw notFound(`path ${path} of pool ${config.name} is no directory`);
    const other = catalog.conflictingVolume(path);
    if (other !== undefined) throw alreadyExists(`path ${path} is at, above or inside volume ${config.name}/${other}`);
    const limitBytes = chooseLimit({ requiredBytes: request.size, limitBytes: 0n }, mechanism.minimumBytes);
    if (mechanism.name === 'project' || mechanism.name === 'simple') {
      const content = await tree.list(path);
      if (content !== undefined && content.length > 0) {
        throw failedPrecondition(
          `path ${path} has content, and ${mechanism.name} quota counts only what is made after its limit: copy it into a new volume`,
        );
      }
    }
    const release = await session.capacity.reserve(id, limitBytes);
    try {
      const made: VolumeRecord = {
        formatVersion: RECORD_FORMAT,
        id,
        name: id,
        pool: config.name,
        poolId: poolFile.id,
        type: 'directory',
        path,
        imported: true,
        limitBytes,
        state: 'creating',
        quota: { mechanism: mechanism.name, projectId: await allocateProjectId(session) },
        owner: { uid: entry.uid, gid: entry.gid, mode: entry.mode & 0o7777 },
        parameters: {},
        onDelete: 'retain',
        claim: {},
        createdAt: new Date().toISOString(),
        unknownFields: {},
      };
      if (!(await createRecord(session, made))) throw alreadyExists(`volume ${config.name}/${id} has a record already`);
      return made;
    } finally {
      release();
    }
  }
}
