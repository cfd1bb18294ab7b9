import * as v from 'valibot';
import { failedPrecondition, KayalError, notFound } from '../base/errors.js';
import { ApiClient } from '../kube/api-client.js';
import { ApiWriter, type ApiObject, type ApplyOptions } from '../kube/api-writer.js';
import { findApiServer } from '../kube/find-api-server.js';
import { volumesIn } from '../operator/pool-volumes.js';
import { STORAGE_POOLS, storagePoolSchema, type StoragePool } from '../operator/storage-pool.js';

/** Who set a field, for the server. */
const FIELD_MANAGER = 'kubectl-kayal';

/** A pool as it is used here, and as the server has it. */
export interface FoundPool {
  readonly pool: StoragePool;
  readonly raw: unknown;
}

function parsed(raw: unknown): FoundPool {
  return { pool: v.parse(storagePoolSchema, raw), raw };
}

/** What nobody has installed looks like a kind that the server does not know. */
function explained(error: unknown): unknown {
  if (error instanceof KayalError && /the cluster has no storagepools/.test(error.message)) {
    return failedPrecondition(
      'this cluster knows no StoragePools: install Kayal with its operator (helm value operator.enabled=true)',
      { cause: error },
    );
  }
  return error;
}

/** StoragePools of a cluster. */
export class PoolCluster {
  readonly #client: ApiClient;
  readonly #writer: ApiWriter;

  private constructor(client: ApiClient, writer: ApiWriter) {
    this.#client = client;
    this.#writer = writer;
  }

  /** @throws KayalError FAILED_PRECONDITION when there is no cluster */
  static async connect(kubeconfig: string | undefined): Promise<PoolCluster> {
    const server = await findApiServer(kubeconfig, process.env);
    return new PoolCluster(new ApiClient(server), new ApiWriter(server));
  }

  async list(): Promise<FoundPool[]> {
    try {
      return (await this.#client.list(STORAGE_POOLS, v.unknown())).map(parsed);
    } catch (error) {
      throw explained(error);
    }
  }

  /** @throws KayalError NOT_FOUND with the pools that there are */
  async get(name: string): Promise<FoundPool> {
    const found = await this.find(name);
    if (found !== undefined) return found;
    const names = (await this.list()).map(({ pool }) => pool.metadata.name);
    throw notFound(
      `there is no pool ${name}; ${names.length === 0 ? 'there are none' : `there is ${names.join(', ')}`}` +
        ' (pools of the configuration file are not shown here)',
    );
  }

  async find(name: string): Promise<FoundPool | undefined> {
    return (await this.list()).find(({ pool }) => pool.metadata.name === name);
  }

  async create(object: ApiObject): Promise<void> {
    try {
      await this.#writer.create(STORAGE_POOLS, object);
    } catch (error) {
      throw explained(error);
    }
  }

  /** Has the server check an object and change nothing. @returns the object with the server's defaults */
  async check(object: ApiObject): Promise<unknown> {
    const options: ApplyOptions = { fieldManager: FIELD_MANAGER, dryRun: true };
    try {
      return await this.#writer.apply(STORAGE_POOLS, object, options);
    } catch (error) {
      throw explained(error);
    }
  }

  /** JSON merge patch. @returns the object as it is then */
  async patch(name: string, patch: object): Promise<FoundPool> {
    return parsed(await this.#writer.merge(STORAGE_POOLS, name, patch));
  }

  async remove(name: string): Promise<void> {
    await this.#writer.delete(STORAGE_POOLS, name);
  }

  /** Handles of the pool's PersistentVolumes. */
  volumesIn(pool: string): Promise<string[]> {
    return volumesIn(this.#client, pool);
  }

  close(): void {
    this.#client.close();
    this.#writer.close();
  }
}
