import { BRICK_METRICS_PORT, BRICK_PORT, brickDirectory, bricksName } from './names.js';
import type { BrickSpec, ManagedSpec } from './storage-pool.js';

/** What the pods of bricks have in common. */
export interface PodSettings {
  readonly image: string;
  readonly imagePullSecrets: readonly string[];
  readonly priorityClassName?: string | undefined;
  readonly logLevel: string;
}

export interface BrickPodOptions {
  readonly pool: string;
  readonly managed: ManagedSpec;
  readonly index: number;
  readonly settings: PodSettings;
}

/** glusterfsd and its helpers get five seconds each to end, and the filesystem is unmounted. */
const GRACE_SECONDS = 60;
const REQUESTS = { cpu: '50m', memory: '256Mi' };

/** A brick with a disk of a node goes where the disk is, and stays. */
function pinTo(node: string): object {
  const here = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] };
  const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [here] } };
  return { affinity: { nodeAffinity: required } };
}

function tolerationsOf({ node }: BrickSpec, { tolerations }: ManagedSpec): object[] {
  if (node === undefined) return [...tolerations];
  const stay = ['not-ready', 'unreachable'].map((state) => ({
    key: `node.kubernetes.io/${state}`,
    operator: 'Exists',
    effect: 'NoExecute',
  }));
  return [...tolerations, ...stay];
}

interface Place {
  readonly volume: object;
  readonly mount: object;
}

/** What the brick lies on, as its container sees it. */
function placeOf({ device, path, pvc }: BrickSpec, index: number): Place[] {
  const mountPath = brickDirectory(index);
  if (device !== undefined) {
    return [
      // The mount point of its filesystem is made in it.
      { volume: { name: 'bricks', emptyDir: {} }, mount: { name: 'bricks', mountPath: '/bricks' } },
      // With the links that udev makes, as in /dev/disk/by-id; a container's own /dev has none of them.
      {
        volume: { name: 'dev', hostPath: { path: '/dev', type: 'Directory' } },
        mount: { name: 'dev', mountPath: '/dev' },
      },
    ];
  }
  const source =
    pvc === undefined
      ? // A directory that is not there is a disk that is not mounted.
        { hostPath: { path, type: 'Directory' } }
      : { persistentVolumeClaim: { claimName: pvc } };
  return [{ volume: { name: 'brick', ...source }, mount: { name: 'brick', mountPath } }];
}

const EMPTY = [
  { name: 'state', mountPath: '/var/lib/kayal' },
  { name: 'run', mountPath: '/run' },
  { name: 'tmp', mountPath: '/tmp' },
];

/** The specification of a brick's pod. */
export function brickPod({ pool, managed, index, settings }: BrickPodOptions): object {
  const brick = managed.bricks[index] ?? {};
  const places = placeOf(brick, index);
  const { image, imagePullSecrets, priorityClassName, logLevel } = settings;
  const { requests, limits } = managed.resources;
  return {
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: GRACE_SECONDS,
    ...(imagePullSecrets.length === 0 ? {} : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    nodeSelector: { 'kubernetes.io/os': 'linux', ...(brick.node === undefined ? managed.nodeSelector : {}) },
    ...(brick.node === undefined ? {} : pinTo(brick.node)),
    tolerations: tolerationsOf(brick, managed),
    containers: [
      {
        name: 'kayal',
        image,
        args: [
          'brick',
          '--pool-file=/etc/kayal/pool.yaml',
          `--brick=${index}`,
          ...(brick.device === undefined ? [] : [`--device=${brick.device}`]),
          '--state-dir=/var/lib/kayal',
          `--metrics-address=:${BRICK_METRICS_PORT}`,
          `--log-level=${logLevel}`,
        ],
        ports: [
          { name: 'brick', containerPort: BRICK_PORT },
          { name: 'metrics', containerPort: BRICK_METRICS_PORT },
        ],
        livenessProbe: {
          // Never touches storage: a brick that is down must not get its neighbours killed.
          httpGet: { path: '/healthz', port: 'metrics' },
          initialDelaySeconds: 10,
          periodSeconds: 20,
          timeoutSeconds: 10,
          failureThreshold: 5,
        },
        readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' }, periodSeconds: 5, timeoutSeconds: 5 },
        // Its default lies in /dev, which is the node's here.
        terminationMessagePath: '/tmp/termination-log',
        // Mounts the device, keeps trusted extended attributes, and makes mount namespaces for its processes.
        securityContext: { privileged: true, readOnlyRootFilesystem: true, runAsUser: 0 },
        resources: { requests: requests ?? REQUESTS, ...(limits === undefined ? {} : { limits }) },
        volumeMounts: [
          { name: 'pool', mountPath: '/etc/kayal', readOnly: true },
          ...EMPTY,
          ...places.map(({ mount }) => mount),
        ],
      },
    ],
    volumes: [
      // 0400
      { name: 'pool', secret: { secretName: bricksName(pool), defaultMode: 256 } },
      ...EMPTY.map(({ name }) => ({ name, emptyDir: {} })),
      ...places.map(({ volume }) => volume),
    ],
  };
}
