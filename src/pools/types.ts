import type { GroupWish } from '../gluster/volfile/group-shape.js';
import type { MechanismName } from '../quota/mechanism.js';

/** What pods may have as inline volumes in a pool. */
export interface InlineVolumesConfig {
  /** The largest one, in bytes. */
  readonly maxBytes: number;
  /** How many the pods of one node may have at a time. */
  readonly maxPerNode: number;
}

interface PoolCommon {
  /** A DNS label of at most 63 characters: the first part of every volume handle of the pool. */
  readonly name: string;
  readonly quota: MechanismName | 'auto';
  /** Factor on the size of the pool that may be promised to volumes; 1.0 promises no more than there is. */
  readonly overcommit: number;
  /** A pool that holds only static volumes: nothing is made in it (no `.kayal`), and its root may be published. */
  readonly staticOnly: boolean;
  /** Absent: inline volumes of pods are refused. */
  readonly inlineVolumes?: InlineVolumesConfig | undefined;
}

/** Absolute paths of PEM files. */
export interface TlsFiles {
  /** The certificate, and after it those between it and the authority, if there are any. */
  readonly certificate: string;
  readonly key: string;
  /** The authorities whose certificates count. */
  readonly ca: string;
}

/** Bricks of a managed pool that `kayal brick` runs elsewhere. */
export interface RemoteBricks {
  /** A UUID, which every brick has on it. */
  readonly volumeId: string;
  readonly credentials: { readonly username: string; readonly password: string };
  /** HOST:PORT of each brick, in the order of `bricks`. */
  readonly addresses: readonly string[];
}

/** Bricks that Kayal runs, without glusterd: on this machine, or `remote`. */
export interface ManagedPoolConfig extends PoolCommon, GroupWish {
  readonly type: 'managed';
  /** Absolute paths, group by group, in an order that never changes; where each brick runs, they are its own. */
  readonly bricks: readonly string[];
  /** Absent: the bricks are on this machine. */
  readonly remote?: RemoteBricks | undefined;
  /** `false`: clients keep neither writes nor what is known of files, as databases need it. */
  readonly clientCache: boolean;
  /** `gluster` quota without write-behind in the client graph: more exact, slower (docs/quota.md). */
  readonly quotaStrict: boolean;
  /** `large-volumes`: quota timeouts 1/0 and a soft limit of 50 %; volumes under 1 GiB are refused. */
  readonly quotaProfile: 'exact' | 'large-volumes';
  /** Absent: connections are neither encrypted nor proven by certificates. */
  readonly tls?: TlsFiles | undefined;
}

/** An existing GlusterFS volume that glusterd serves. */
export interface GlusterPoolConfig extends PoolCommon {
  readonly type: 'gluster';
  readonly hosts: readonly string[];
  readonly volume: string;
  /** Options of glusterfs(8), each on the allow-list of gluster/client-options.ts. */
  readonly options: Readonly<Record<string, string>>;
  /** Absent: as the servers' volfile says. */
  readonly tls?: GlusterTlsConfig | undefined;
}

/** The certificate that clients of a volume show to its bricks. */
export interface GlusterTlsConfig extends TlsFiles {
  /** True: glusterd talks TLS, too. A client takes the files for it from where its GlusterFS was built to look. */
  readonly management: boolean;
}

/** One directory tree: the same on all nodes, or of one node. */
export interface DirectoryPoolConfig extends PoolCommon {
  readonly type: 'directory';
  readonly path: string;
  readonly shared: boolean;
  /** The node that has it, when it is not shared. */
  readonly node?: string | undefined;
  /** False when the directory may lie on the root filesystem; by default that counts as a mount that is missing. */
  readonly requireMount: boolean;
}

export type PoolConfig = ManagedPoolConfig | GlusterPoolConfig | DirectoryPoolConfig;

/** The whole configuration file. */
export interface Config {
  /** Who owns the pools: one installation of Kayal, the same name on its controller and nodes. */
  readonly installation: string;
  readonly pools: readonly PoolConfig[];
}
