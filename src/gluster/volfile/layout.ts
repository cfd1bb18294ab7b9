/** Where one brick listens and which directory it serves. */
export interface BrickLocation {
  readonly host: string;
  readonly port: number;
  /** Absolute path on its host; also the name by which clients ask for it. */
  readonly path: string;
  /** Bricks of the pool on the filesystem of this one, itself included; its free space is divided by it. Default 1. */
  readonly sharedBy?: number;
}

/** One set of bricks that hold the same files; a pool distributes its files over its groups. */
export interface BrickGroup {
  readonly kind: 'single' | 'replicate' | 'arbiter' | 'disperse';
  /** Bricks of a disperse group that may be lost. */
  readonly redundancy?: number;
  /** In an order that never changes: replication's and dispersal's bookkeeping counts on it. */
  readonly bricks: readonly BrickLocation[];
}

/** Absolute paths of PEM files, and what is in the certificate. */
export interface PoolTls {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
  /** The certificate's name, which is the only one that bricks let in. */
  readonly commonName: string;
}

/** Everything that the volfiles of a pool are made from. */
export interface PoolLayout {
  readonly pool: string;
  /** A UUID, the same on every brick of the pool. */
  readonly volumeId: string;
  readonly groups: readonly BrickGroup[];
  readonly credentials: { readonly username: string; readonly password: string };
  /** Mechanisms that need translators in the graph; project quota needs none. */
  readonly quota: 'gluster' | 'simple' | 'none';
  /** features/quota's soft-timeout and hard-timeout, in seconds: for how long it trusts what it knew of the usage. */
  readonly quotaTimeouts: { readonly soft: number; readonly hard: number };
  /** Whether clients gather writes before they send them; faster, and less exact limits. */
  readonly writeBehind: boolean;
  /** Whether clients keep sizes and times of files for a second, beside what the kernel keeps. */
  readonly metadataCache: boolean;
  /** The address that bricks listen on; absent = all. */
  readonly bindAddress?: string;
  /** Every connection of the pool uses TLS, and every process of it this one certificate. */
  readonly tls?: PoolTls;
}
