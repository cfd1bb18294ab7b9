import { readFile, readdir } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A place in the sources from which something outside of the process is changed, through a table of src/linux. */
export interface CallSite {
  /** As people read it, and it stays when lines move: `linux/operations/records.ts createFile linkat`. */
  readonly label: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly call: string;
}

/** How a file gets a table. */
const TABLE = /^import \{ (sys|machine) \} from '.*\/\1\.js';$/gm;
/** What a line may begin that has a name: a function, a method, or a constant that is a function. */
const FUNCTION =
  /^(?:export )?(?:async )?function (\w+)|^ {2}(?:static |async |get |set )*(?!(?:if|for|while|switch)\b)(#?\w+)(?:<.*>)?\(.*(?<!=>) \{$/;
const COMMENT = /^\s*(?:\/\/|\/?\*)/;

/** The files of src that are part of the program. */
export async function sourceFiles(): Promise<string[]> {
  const names = await readdir(join(ROOT, 'src'), { recursive: true });
  return names
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('gen/'))
    .map((name) => `src/${name}`)
    .toSorted();
}

/** The tables that a file uses. */
export function tablesOf(text: string): string[] {
  return [...text.matchAll(TABLE)].map(([, name = '']) => name);
}

/** @param text of a file */
export function callSitesIn(file: string, text: string): CallSite[] {
  const sites: CallSite[] = [];
  const tables = tablesOf(text);
  if (tables.length === 0) return sites;
  const calls = new RegExp(`\\b(?:${tables.join('|')})\\.(\\w+)\\(`, 'g');
  let within = 'module';
  for (const [index, line] of text.split('\n').entries()) {
    const [, named, method] = FUNCTION.exec(line) ?? [];
    within = named ?? method ?? within;
    if (COMMENT.test(line)) continue;
    for (const [, call = ''] of line.matchAll(calls)) {
      const name = `${file.replace(/^src\//, '')} ${within} ${call}`;
      const before = sites.filter(({ label }) => label === name || label.startsWith(`${name} #`)).length;
      sites.push({ label: before === 0 ? name : `${name} #${before + 1}`, file, line: index + 1, call });
    }
  }
  return sites;
}

/** Every one that there is. */
export async function callSites(): Promise<CallSite[]> {
  const files = await sourceFiles();
  const lists = await Promise.all(
    files.map(async (file) => callSitesIn(file, await readFile(join(ROOT, file), 'utf8'))),
  );
  return lists.flat();
}

const maps = new Map<string, Promise<SourceMap>>();
let sites: Promise<CallSite[]> | undefined;

async function loadMap(bundle: string): Promise<SourceMap> {
  const text = await readFile(join(ROOT, 'dist', `${bundle}.map`), 'utf8');
  return new SourceMap(JSON.parse(text) as SourceMapPayload);
}

/**
 * The call site of a fault point, CALL@BUNDLE:LINE:COLUMN/when.
 * @throws Error when no source has it, as of a build that is older than the sources
 */
export async function labelOfPoint(point: string): Promise<string> {
  const [, call, bundle = '', line, column] = /^(\w+)@([\w.-]+):(\d+):(\d+)\//.exec(point) ?? [];
  let map = maps.get(bundle);
  if (map === undefined) maps.set(bundle, (map = loadMap(bundle)));
  const entry = (await map).findEntry(Number(line) - 1, Number(column) - 1);
  if (!('originalSource' in entry)) throw new Error(`${point} is nowhere in the sources`);
  const file = normalize(join('dist', entry.originalSource));
  sites ??= callSites();
  const site = (await sites).find(
    (one) => one.file === file && one.line === entry.originalLine + 1 && one.call === call,
  );
  if (site === undefined) {
    throw new Error(`${point} is at ${file}:${entry.originalLine + 1}, which makes no such call: is dist/ up to date?`);
  }
  return site.label;
}
