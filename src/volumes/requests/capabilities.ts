import { invalidArgument } from '../../base/errors.js';
import type {
  VolumeCapability__Output,
  _csi_v1_VolumeCapability_AccessMode_Mode__Output as AccessMode,
} from '../../gen/csi/v1/VolumeCapability.js';
import type { MountFlag } from '../../linux/mount-flags.js';
import type { FsType } from '../records/record.js';

/** What one VolumeCapability asks of a volume. */
export interface VolumeAccess {
  readonly mode: AccessMode;
  /** `block`: the bare device (volumeMode: Block). */
  readonly kind: 'mount' | 'block';
  /** The filesystem that is asked for, where it is one that a volume can have in it; it says nothing of directories. */
  readonly fsType?: FsType | undefined;
  /** Asked for by several nodes at once. */
  readonly multiNode: boolean;
  /** One publish at a time: SINGLE_NODE_SINGLE_WRITER, which is ReadWriteOncePod in Kubernetes. */
  readonly exclusive: boolean;
  /** A reader's mode or the mount option `ro`: the publish is read-only whatever the request's `readonly` says. */
  readonly readOnly: boolean;
  /** The mount options besides `ro`, each once, in a fixed order, so that two requests can be compared. */
  readonly flags: readonly MountFlag[];
}

/** Mount options that concern one bind alone and cannot reach beyond it: mount(2), "Changing mount flags". */
const MOUNT_OPTIONS: readonly MountFlag[] = ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime'];

interface ModeRules {
  readonly exclusive: boolean;
  readonly readOnly: boolean;
  readonly multiNode: boolean;
}

/**
 * What can be kept. SINGLE_NODE_WRITER stays shareable on its node: it is what ReadWriteOnce was called
 * before SINGLE_NODE_MULTI_WRITER, and Kubernetes has always let two pods of one node share such a volume.
 */
const ACCESS_MODES: Partial<Readonly<Record<AccessMode, ModeRules>>> = {
  SINGLE_NODE_WRITER: { exclusive: false, readOnly: false, multiNode: false },
  SINGLE_NODE_READER_ONLY: { exclusive: false, readOnly: true, multiNode: false },
  SINGLE_NODE_SINGLE_WRITER: { exclusive: true, readOnly: false, multiNode: false },
  SINGLE_NODE_MULTI_WRITER: { exclusive: false, readOnly: false, multiNode: false },
  MULTI_NODE_READER_ONLY: { exclusive: false, readOnly: true, multiNode: true },
  MULTI_NODE_MULTI_WRITER: { exclusive: false, readOnly: false, multiNode: true },
};

/**
 * The fs_type values that mean nothing for a directory. external-provisioner and older PVs fill in ext4 or xfs unasked,
 * PVs converted from the in-tree plugin say glusterfs. Any other name was written for another driver: whoever wrote it
 * expects something that a directory cannot give, and should hear of it.
 */
const IGNORED_FS_TYPES: readonly string[] = ['', 'ext4', 'xfs', 'glusterfs', 'fuse.glusterfs'];

type Checked =
  | { readonly access: VolumeAccess }
  | { readonly problem: string; /** The request itself is wrong, whatever the volume. */ readonly malformed: boolean };

const unsupported = (problem: string): Checked => ({ problem, malformed: false });
const malformed = (problem: string): Checked => ({ problem, malformed: true });

function isMountOption(option: string): option is MountFlag {
  return (MOUNT_OPTIONS as readonly string[]).includes(option);
}

/** kubelet passes options one by one; people also write `-o` lists with commas. */
function splitOptions(flags: readonly string[]): string[] {
  return flags.flatMap((flag) => flag.split(',')).map((option) => option.trim());
}

function check(capability: VolumeCapability__Output): Checked {
  const mode = capability.access_mode?.mode ?? 'UNKNOWN';
  if (mode === 'UNKNOWN') return malformed('the volume capability has no access mode');
  if (capability.block == null && capability.mount == null) {
    return malformed('the volume capability has no access type');
  }
  const kept = ACCESS_MODES[mode];
  if (kept === undefined) {
    const reason = mode === 'MULTI_NODE_SINGLE_WRITER' ? ' (nothing keeps the other nodes from writing)' : '';
    return unsupported(
      `access mode ${mode} is not supported${reason}; supported are ${Object.keys(ACCESS_MODES).join(', ')}`,
    );
  }
  if (capability.mount == null) return { access: { mode, kind: 'block', ...kept, flags: [] } };
  const fsType = capability.mount.fs_type;
  if (!IGNORED_FS_TYPES.includes(fsType)) {
    return unsupported(
      `fsType ${JSON.stringify(fsType)} is not supported: a volume is a directory on GlusterFS, or (volumeType: file) a filesystem of ext4 or xfs; leave it out`,
    );
  }
  if (capability.mount.volume_mount_group !== '') {
    return unsupported('volume_mount_group is not supported: set the gid parameter of the StorageClass, or fsGroup');
  }
  const options = splitOptions(capability.mount.mount_flags);
  const refused = options.filter((option) => !isMountOption(option));
  if (refused.length > 0) {
    // Mount options may hold what is nobody's business (csi.proto: "MAY contain sensitive information").
    const names = refused.map((option) => JSON.stringify(option.split('=')[0]?.slice(0, 32)));
    return unsupported(`mount options ${names.join(', ')} are not allowed; allowed are ${MOUNT_OPTIONS.join(', ')}`);
  }
  if (options.includes('noatime') && options.includes('relatime')) {
    return malformed('the mount options noatime and relatime contradict each other');
  }
  return {
    access: {
      mode,
      kind: 'mount',
      ...(fsType === 'ext4' || fsType === 'xfs' ? { fsType } : {}),
      multiNode: kept.multiNode,
      exclusive: kept.exclusive,
      readOnly: kept.readOnly || options.includes('ro'),
      flags: MOUNT_OPTIONS.filter((option) => option !== 'ro' && options.includes(option)),
    },
  };
}

/**
 * Checks the capability of a stage or publish request.
 * @throws KayalError INVALID_ARGUMENT when it is missing, incomplete, or not what any volume can do
 */
export function parseCapability(capability: VolumeCapability__Output | null): VolumeAccess {
  if (capability === null) throw invalidArgument('the request has no volume_capability');
  const checked = check(capability);
  if ('access' in checked) return checked.access;
  throw invalidArgument(checked.problem);
}

/**
 * Checks the capabilities of CreateVolume.
 * @throws KayalError INVALID_ARGUMENT as parseCapability, and when there is none
 */
export function parseCapabilities(capabilities: readonly VolumeCapability__Output[]): VolumeAccess[] {
  if (capabilities.length === 0) throw invalidArgument('the request has no volume_capabilities');
  return capabilities.map(parseCapability);
}

/**
 * Why ValidateVolumeCapabilities cannot confirm these capabilities; undefined when it can. Unsupported ones are an
 * answer there, not an error (CSI spec, "ValidateVolumeCapabilities").
 * @throws KayalError INVALID_ARGUMENT when there is none or one is incomplete
 */
export function whyUnsupported(capabilities: readonly VolumeCapability__Output[]): string | undefined {
  if (capabilities.length === 0) throw invalidArgument('the request has no volume_capabilities');
  const problems: string[] = [];
  for (const capability of capabilities) {
    const checked = check(capability);
    if ('access' in checked) continue;
    if (checked.malformed) throw invalidArgument(checked.problem);
    problems.push(checked.problem);
  }
  return problems.length === 0 ? undefined : [...new Set(problems)].join('; ');
}
