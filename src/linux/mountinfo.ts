import { readFile } from 'node:fs/promises';

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** major:minor */
  readonly dev: string;
  /** The directory of the filesystem that is mounted: '/' but for bind mounts of a part of it. */
  readonly root: string;
  readonly target: string;
  /** Options of this mount (ro, nosuid, …). */
  readonly options: readonly string[];
  /** Propagation: shared:N, master:N, …; none: private. */
  readonly optional: readonly string[];
  readonly fsType: string;
  readonly source: string;
  /** Options of the filesystem. */
  readonly superOptions: readonly string[];
}

/** The kernel writes space, tab, newline and backslash as \ooo, byte by byte (seq_path(), mangle()). */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  // The optional fields, none or several, end with a single hyphen.
  const hyphen = fields.indexOf('-', 6);
  const [id, parent, dev, root, target, options] = fields;
  const [fsType, source, superOptions] = fields.slice(hyphen + 1);
  if (hyphen === -1 || root === undefined || target === undefined || dev === undefined) return undefined;
  if (options === undefined || fsType === undefined || source === undefined) return undefined;
  return {
    id: Number(id),
    parent: Number(parent),
    dev,
    root: unescape(root),
    target: unescape(target),
    options: options.split(','),
    optional: fields.slice(6, hyphen),
    fsType: unescape(fsType),
    source: unescape(source),
    superOptions: unescape(superOptions ?? '').split(','),
  };
}

/** The mounts in the order of the file, a mount after the one that it is stacked upon. Lines that are none are skipped. */
export function parseMountinfo(text: string): MountEntry[] {
  return text.split('\n').flatMap((line) => parseLine(line) ?? []);
}

/** The mounts of this process's mount namespace. The kernel answers from memory, whatever hangs on them. */
export async function readMountinfo(): Promise<MountEntry[]> {
  return parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The mount that is seen at `target`: the last one there is stacked upon the others. */
export function topMount(entries: readonly MountEntry[], target: string): MountEntry | undefined {
  return entries.findLast((entry) => entry.target === target);
}
