import { stringify } from 'yaml';
import { formatTable } from '../cli/table.js';
import type { StoragePool } from '../operator/storage-pool.js';

const text = (value: string | number | undefined): string => (value === undefined ? '' : String(value));

const NUMBERS = new Set(['BRICKS', 'TO HEAL', 'SIZE', 'USED']);

/** A table of pools. */
export function poolTable(pools: readonly StoragePool[]): string {
  const head = ['NAME', 'TYPE', 'LAYOUT', 'QUOTA', 'PHASE', 'BRICKS', 'TO HEAL', 'SIZE', 'USED'];
  const rows = pools.map(({ metadata, spec, status }) => [
    metadata.name,
    spec.managed === undefined ? 'external' : 'managed',
    text(status.layout),
    text(status.quota),
    text(status.phase ?? 'Creating'),
    text(status.bricksUp),
    text(status.pendingHeals),
    text(status.size),
    text(status.used),
  ]);
  return formatTable(head, rows, NUMBERS);
}

/** All that is known of a pool. */
export function describePool({ metadata, spec, status }: StoragePool): string {
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['Name', metadata.name],
    ['Phase', status.phase ?? 'Creating'],
    ['Message', status.message],
    ['Layout', status.layout],
    ['Quota', status.quota],
    ['Size', status.size],
    ['Used', status.used],
    ['Overcommit', `${spec.overcommitPercent} %`],
    ['StorageClass', status.storageClass],
    ['Volume id', status.volumeId],
    [
      'Options',
      Object.entries(spec.external?.options ?? {})
        .map(([name, value]) => `${name}=${value}`)
        .join(', '),
    ],
  ];
  const said = lines.filter(([, value]) => value !== undefined && value !== '');
  const head = said.map(([name, value]) => `${`${name}:`.padEnd(14)} ${value}`).join('\n');
  const conditions = status.conditions
    .filter(({ type, message }) => type !== 'Ready' && message !== '')
    .map(({ type, status: is, message }) => `${`${type}:`.padEnd(14)} ${is}: ${message}`);
  const columns = ['BRICK', 'NODE', 'SOURCE', 'ADDRESS', 'UP', 'TO HEAL', 'SIZE', 'USED', 'MESSAGE'];
  const rows = status.bricks.map((brick) => [
    String(brick.index),
    text(brick.node),
    brick.source,
    brick.address,
    brick.up ? 'yes' : 'no',
    text(brick.pendingHeals),
    text(brick.size),
    text(brick.used),
    text(brick.message),
  ]);
  const table = rows.length === 0 ? '' : `\n${formatTable(columns, rows, NUMBERS)}`;
  return `${[head, ...conditions].join('\n')}\n${table}`;
}

/** Objects as `-o` wants them. */
export function printed(format: 'json' | 'yaml', value: unknown): string {
  return format === 'json' ? `${JSON.stringify(value, undefined, 2)}\n` : stringify(value);
}
