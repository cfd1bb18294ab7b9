import { BUSYBOX_IMAGE } from '../cluster/images.js';
import type { Manifest } from './kubectl.js';

export type AccessMode = 'ReadWriteOnce' | 'ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOncePod';

export interface ClaimWish {
  readonly name: string;
  /** Default 64Mi. */
  readonly size?: string;
  /** Default `kayal`. */
  readonly storageClass?: string;
  readonly mode?: AccessMode;
  readonly volumeMode?: 'Filesystem' | 'Block';
  readonly attributesClass?: string;
  readonly volumeName?: string;
  /** Content of it, copied. */
  readonly from?: { readonly kind: 'PersistentVolumeClaim' | 'VolumeSnapshot'; readonly name: string };
}

export function claimSpec(wish: Omit<ClaimWish, 'name'>): Readonly<Record<string, unknown>> {
  const { size = '64Mi', storageClass = 'kayal', mode = 'ReadWriteMany', from } = wish;
  return {
    accessModes: [mode],
    storageClassName: storageClass,
    resources: { requests: { storage: size } },
    ...(wish.volumeMode === undefined ? {} : { volumeMode: wish.volumeMode }),
    ...(wish.attributesClass === undefined ? {} : { volumeAttributesClassName: wish.attributesClass }),
    ...(wish.volumeName === undefined ? {} : { volumeName: wish.volumeName }),
    ...(from === undefined
      ? {}
      : {
          dataSource: { ...from, ...(from.kind === 'VolumeSnapshot' ? { apiGroup: 'snapshot.storage.k8s.io' } : {}) },
        }),
  };
}

export function claim(wish: ClaimWish): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: wish.name },
    spec: claimSpec(wish),
  };
}

export interface PodWish {
  readonly name: string;
  /** Its volume at /data; an object of pod.spec.volumes without its name is taken as it is. */
  readonly claim: string | Readonly<Record<string, unknown>>;
  /** Default: whichever the scheduler takes. */
  readonly node?: string;
  /** Default: sleeps. */
  readonly script?: string;
  readonly readOnly?: boolean;
  readonly uid?: number;
  readonly fsGroup?: number;
  /** A raw block volume at /dev/data instead of /data. */
  readonly isBlock?: boolean;
}

const SLEEP = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

export function pod(wish: PodWish): Manifest {
  const { name, claim: source, node, script = SLEEP, readOnly = false, uid, fsGroup, isBlock = false } = wish;
  const volume = typeof source === 'string' ? { persistentVolumeClaim: { claimName: source, readOnly } } : source;
  const user = uid === undefined ? {} : { runAsUser: uid, runAsGroup: uid, runAsNonRoot: true };
  const context = { ...user, ...(fsGroup === undefined ? {} : { fsGroup }) };
  const use = isBlock
    ? { volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] }
    : { volumeMounts: [{ name: 'data', mountPath: '/data', readOnly }] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      // A name, not spec.nodeName, so that the scheduler takes part (WaitForFirstConsumer, ReadWriteOncePod).
      ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
      ...(Object.keys(context).length === 0 ? {} : { securityContext: context }),
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: BUSYBOX_IMAGE, command: ['sh', '-c', script], ...use }],
      volumes: [{ name: 'data', ...volume }],
    },
  };
}
