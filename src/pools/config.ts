import * as v from 'valibot';
import { parseDocument } from 'yaml';
import { messageOf } from '../base/errors.js';
import { findConflicts } from './config-conflicts.js';
import type { Problem, RawPool } from './config-problem.js';
import { checkPoolRules } from './config-rules.js';
import { fileSchema, POOL_TYPES, poolSchemas, type ParsedPool, type PoolType } from './config-schema.js';
import type { Config, PoolConfig } from './types.js';

/** A file that holds one pool, as an entry of the configuration file's `pools` does. */
export interface PoolText {
  /** Its path. */
  readonly file: string;
  readonly text: string;
}

/** A configuration file that is not used. The message has one line per problem: file, key and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(fileName: string, problems: readonly string[], options?: ErrorOptions) {
    const lines = problems.map((problem) => `${fileName}: ${problem}`);
    super(lines.join('\n'), options);
    this.problems = lines;
  }
}

function isMapping(value: unknown): value is RawPool {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value that stands in the file, when it is short enough to help. */
function shown(value: unknown): string {
  if (value === undefined || (typeof value === 'object' && value !== null)) return '';
  const json = JSON.stringify(value);
  return json.length <= 80 ? ` (is ${json})` : '';
}

function joinKey(parent: string, parts: readonly (string | number)[]): string {
  let key = parent;
  for (const part of parts) key += typeof part === 'number' ? `[${part}]` : key === '' ? part : `.${part}`;
  return key;
}

type Entries = Readonly<Record<string, v.GenericSchema>>;
type Issues = readonly v.BaseIssue<unknown>[];

/** What a key must be, in the words of its own schema. */
function requirementOf(entries: Entries, key: string | undefined): string {
  const schema = key === undefined ? undefined : entries[key];
  if (schema === undefined || !('message' in schema)) return '';
  const { message } = schema;
  if (typeof message === 'function') return `; it ${String(message({ input: undefined }))}`;
  return typeof message === 'string' ? `; it ${message}` : '';
}

function describe(issues: Issues, at: string, entries: Entries): readonly Problem[] {
  return issues.map((issue) => {
    const parts = (issue.path ?? []).map((item) => item.key as string | number);
    const key = joinKey(at, parts);
    // Only valibot's object itself reports a key that is not there; its message would be in valibot's words.
    if (issue.type === 'object')
      return { key, message: `is missing${requirementOf(entries, parts.at(-1)?.toString())}` };
    return { key, message: `${issue.message}${shown(issue.input)}` };
  });
}

function unknownKeys(value: RawPool, at: string, entries: Entries, what: string): readonly Problem[] {
  const known = Object.keys(entries);
  return Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => ({ key: joinKey(at, [key]), message: `is not a key of ${what}; its keys are ${known.join(', ')}` }));
}

function isPoolType(type: unknown): type is PoolType {
  return POOL_TYPES.some((known) => known === type);
}

function toPoolConfig(pool: ParsedPool): PoolConfig {
  return { ...pool, quota: pool.quota ?? (pool.staticOnly ? 'none' : 'auto') };
}

/** @returns the pool; undefined when `report` was told of something */
function parsePool(raw: unknown, at: string, report: (problems: readonly Problem[]) => void): PoolConfig | undefined {
  if (!isMapping(raw)) {
    report([{ key: at, message: `must be a mapping with name, type, …${shown(raw)}` }]);
    return undefined;
  }
  const { type } = raw;
  if (!isPoolType(type)) {
    const message = `must be one of ${POOL_TYPES.join(', ')}${shown(type)}`;
    report([{ key: joinKey(at, ['type']), message: type === undefined ? `is missing; it ${message}` : message }]);
    return undefined;
  }
  const schema = poolSchemas[type];
  const result = v.safeParse(schema, raw);
  const problems = [
    ...(result.issues === undefined ? [] : describe(result.issues, at, schema.entries)),
    ...unknownKeys(raw, at, schema.entries, `a ${type} pool`),
    ...checkPoolRules(raw).map(({ key, message }) => ({ key: joinKey(at, [key]), message })),
  ];
  report(problems);
  return result.success && problems.length === 0 ? toPoolConfig(result.output) : undefined;
}

function parseYaml(text: string, fileName: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw new ConfigError(
      fileName,
      document.errors.map(
        (error) => `is not YAML: ${error.message.split('\n', 1)[0]?.replace(/:$/, '') ?? error.code}`,
      ),
    );
  }
  try {
    return document.toJS();
  } catch (error) {
    // Aliases that expand beyond yaml's limit, or one without an anchor.
    throw new ConfigError(fileName, [`is not YAML that Kayal accepts: ${messageOf(error)}`], { cause: error });
  }
}

/**
 * Reads the text of a configuration file (docs/configuration.md), and of files with a pool each.
 * @throws ConfigError that lists every problem at once
 */
export function parseConfig(text: string, fileName: string, poolTexts: readonly PoolText[] = []): Config {
  const raw = parseYaml(text, fileName);
  if (!isMapping(raw)) throw new ConfigError(fileName, ['must be a mapping with the keys installation and pools']);
  const problems: Problem[] = [];
  const report = (found: readonly Problem[]): void => void problems.push(...found);
  const file = v.safeParse(fileSchema, raw);
  if (file.issues !== undefined) report(describe(file.issues, '', fileSchema.entries));
  report(unknownKeys(raw, '', fileSchema.entries, 'the file'));
  const rawPools: readonly unknown[] = Array.isArray(raw['pools']) ? raw['pools'] : [];
  const own = poolTexts.map(({ text: poolText, file: poolFile }) => ({
    raw: parseYaml(poolText, poolFile),
    say: (found: readonly Problem[]): void =>
      report(found.map(({ key, message }) => ({ key: `in ${poolFile}: ${key === '' ? 'it' : key}`, message }))),
  }));
  const pools = [
    ...rawPools.map((pool, index) => parsePool(pool, `pools[${index}]`, report)),
    ...own.map(({ raw: pool, say }) => parsePool(pool, '', say)),
  ];
  const all = [...rawPools, ...own.map(({ raw: pool }) => pool)];
  report(findConflicts(all.map((pool) => (isMapping(pool) ? pool : {}))));
  if (!file.success || problems.length > 0) {
    throw new ConfigError(
      fileName,
      problems.map(({ key, message }) => `${key}: ${message}`),
    );
  }
  return { installation: file.output.installation, pools: pools.filter((pool) => pool !== undefined) };
}
