import { readdirSync, readFileSync } from 'node:fs';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import { parseParameters } from '../volumes/requests/parameters.js';
import { parseConfig } from './config.js';

const FOLDERS = ['examples', 'docs'] as const;

/** The chart's values hold the configuration besides other things. */
function configOf(block: string): string {
  if (!block.startsWith('# values.yaml')) return block;
  const { installation, pools } = parse(block) as Record<string, unknown>;
  return stringify({ installation, pools });
}

/** `examples/config-*.yaml`, and every fenced YAML block of docs/ that holds pools. */
function configs(): readonly (readonly [string, string])[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(folder).flatMap((name): (readonly [string, string])[] => {
      if (!/^config-.*\.yaml$|\.md$/.test(name)) return [];
      const text = readFileSync(`${folder}/${name}`, 'utf8');
      if (name.endsWith('.yaml')) return [[`${folder}/${name}`, text]];
      const blocks = [...text.matchAll(/^```yaml\n([^]*?)^```/gm)].map(([, block = '']) => block);
      return blocks
        .filter((block) => block.includes('\npools:'))
        .map((block, n) => [`${folder}/${name} #${n + 1}`, configOf(block)]);
    }),
  );
}

describe('the configurations that users copy', () => {
  it.each(configs())('%s is valid', (name, text) => {
    expect(parseConfig(text, name).pools.length).toBeGreaterThan(0);
  });

  it('are there', () => {
    expect(configs().length).toBeGreaterThanOrEqual(4);
  });
});

describe('the StorageClasses that users copy', () => {
  const classes = ['storageclass', 'image-volumes'].flatMap((file) =>
    parseAllDocuments(readFileSync(`examples/${file}.yaml`, 'utf8'))
      .map((document) => document.toJS() as { kind: string; parameters: Record<string, string> })
      .filter(({ kind }) => kind === 'StorageClass'),
  );

  it.each(classes)('number %# has parameters that Kayal knows', ({ parameters }) => {
    expect(parseParameters(parameters).pools).toContain('fast');
  });
});
