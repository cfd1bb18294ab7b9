import type { Capability } from './skips.js';

/** One configuration of Kayal, and the suite on it. */
export interface SanityRun {
  /** Names it on the command line. */
  readonly name: string;
  readonly title: string;
  /** Kayal's flags. */
  readonly env: Readonly<Record<string, string>>;
  /** csi-sanity's. */
  readonly flags: readonly string[];
  /** What is not advertised in this configuration: the only reasons for the suite to leave something out. */
  readonly mayLack: readonly Capability[];
}

/** Attach and its limit are Kayal's only switches. */
const ATTACH = { KAYAL_ATTACH: 'yes', KAYAL_MAX_VOLUMES_PER_NODE: '4' };
const LIMIT = '--csi.testnodevolumeattachlimit';

export const RUNS: readonly SanityRun[] = [
  {
    name: 'default',
    title: 'the default configuration',
    env: {},
    flags: [],
    mayLack: ['controller PUBLISH_UNPUBLISH_VOLUME', 'controller PUBLISH_READONLY'],
  },
  {
    name: 'attach',
    title: 'attach with its limit, mounted volumes',
    env: ATTACH,
    flags: [LIMIT, '--csi.testvolumeaccesstype=mount'],
    mayLack: [],
  },
  {
    name: 'block',
    title: 'attach with its limit, raw block volumes',
    env: ATTACH,
    flags: [LIMIT, '--csi.testvolumeaccesstype=block'],
    mayLack: [],
  },
];
