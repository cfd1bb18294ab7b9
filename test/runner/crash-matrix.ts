import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { callSites } from '../lib/call-sites.js';
import type { KillNote } from '../lib/fault-file.js';
import { UNREACHABLE_SITES } from '../faults/unreachable-sites.js';

const PROTO = fileURLToPath(new URL('../../proto/csi.proto', import.meta.url));

/** RPCs that change nothing, and those that Kayal does not have. */
const READING = new Set(
  `GetPluginInfo GetPluginCapabilities Probe ValidateVolumeCapabilities ListVolumes GetCapacity ControllerGetCapabilities
  ListSnapshots GetSnapshot ControllerGetVolume GroupControllerGetCapabilities GetVolumeGroupSnapshot NodeGetVolumeStats
  NodeGetCapabilities NodeGetInfo GetMetadataAllocated GetMetadataDelta`.split(/\s+/),
);

/** What goes on without a call of CSI, as the tests call it (`what` of a killed call). */
const JOBS: readonly string[] = [
  'CreateVolume of a snapshot',
  'CreateVolume of a volume',
  'import of a directory',
  'purge of what was kept',
  'takeover of an image',
  'preparation of a managed pool',
  'start of a brick',
  'start: lease, recovery, purge',
  'stop and start',
  'healing, in one step',
  'healing, as before Linux 6.5',
  'a client in the mounter',
  'kayal volume purge',
  'kayal volume release',
  'kayal doctor --repair',
  'kayal pool takeover',
];

export interface MatrixQuestion {
  readonly notes: readonly KillNote[];
  /** Labels of all call sites. */
  readonly sites: readonly string[];
  /** Sites that cannot be visited, and why. */
  readonly unreachable: Readonly<Record<string, string>>;
  /** RPCs and jobs: what was killed starts with one of these. */
  readonly wanted: readonly string[];
}

export interface MatrixAnswer {
  /** How many kills there were of each call, and what they come to. */
  readonly text: string;
  readonly problems: readonly string[];
}

/** Whether kills happened at every call site, and in every RPC and job. */
export function judgeMatrix({ notes, sites, unreachable, wanted }: MatrixQuestion): MatrixAnswer {
  const visited = new Set(notes.map(({ site }) => site));
  const never = sites.filter((site) => !visited.has(site) && !(site in unreachable));
  const problems = [
    ...never.map((site) => `no kill ever happened at ${site}`),
    ...Object.keys(unreachable).flatMap((site) => {
      if (visited.has(site)) return [`${site} was visited: take it off the list of those that cannot be`];
      return sites.includes(site) ? [] : [`${site} is no call site any more: take it off the list`];
    }),
    ...wanted
      .filter((name) => !notes.some(({ what }) => what.startsWith(name)))
      .map((name) => `no kill ever happened in ${name}`),
  ];
  const kills = new Map<string, number>();
  for (const { what } of notes) kills.set(what, (kills.get(what) ?? 0) + 1);
  const rows = [...kills]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([what, count]) => `${String(count).padStart(6)}  ${what}`);
  const count = sites.filter((site) => visited.has(site)).length;
  const total = `crash matrix: ${notes.length} points visited at ${count} call sites, ${never.length} never visited`;
  const listed = Object.keys(unreachable).length;
  return {
    text: [' kills  in', ...rows, `${total}${listed === 0 ? '' : ` (${listed} cannot be)`}`].join('\n'),
    problems,
  };
}

/** RPCs of CSI that change something. */
export function changingRpcs(proto: string): string[] {
  return [...proto.matchAll(/^\s*rpc (\w+)/gm)].flatMap(([, name = '']) => (READING.has(name) ? [] : [name]));
}

/** @param lines of the file that the tests wrote (KAYAL_CRASH_MATRIX) */
export async function judgeKills(lines: string): Promise<MatrixAnswer> {
  return judgeMatrix({
    notes: lines
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as KillNote),
    sites: (await callSites()).map(({ label }) => label),
    unreachable: UNREACHABLE_SITES,
    wanted: [...changingRpcs(await readFile(PROTO, 'utf8')), ...JOBS],
  });
}
