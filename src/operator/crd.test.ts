import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CLIENT_OPTION_NAMES } from '../gluster/client-options.js';
import { GROUP, KIND, PARTS } from './storage-pool.js';

interface Property {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Property>>;
  readonly items?: Property;
  readonly required?: readonly string[];
  readonly default?: unknown;
}

const crdSchema = v.object({
  spec: v.object({
    group: v.string(),
    names: v.object({ kind: v.string() }),
    versions: v.tuple([
      v.object({ schema: v.object({ openAPIV3Schema: v.object({ properties: v.record(v.string(), v.unknown()) }) }) }),
    ]),
  }),
});

const FILE = new URL('../../charts/kayal/files/storagepool-crd.yaml', import.meta.url);

/** A schema as far as both kinds of them can say it: names of fields, whether they are needed, and lists of values. */
type Shape = string | { readonly [name: string]: Shape } | readonly unknown[];

function shapeOfProperty({ type, enum: values, properties, items }: Property): Shape {
  if (values !== undefined) return values;
  if (items !== undefined) return { 'each of': shapeOfProperty(items) };
  if (properties === undefined) return type ?? '';
  return Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, shapeOfProperty(one)]));
}

interface AnySchema {
  readonly type: string;
  readonly wrapped?: AnySchema;
  readonly entries?: Readonly<Record<string, AnySchema>>;
  readonly item?: AnySchema;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
}

function shapeOfSchema(schema: AnySchema): Shape {
  const { type, wrapped, entries, item, options, literal } = schema;
  if (wrapped !== undefined) return shapeOfSchema(wrapped);
  if (options !== undefined) return options;
  if (literal !== undefined) return [literal];
  if (item !== undefined) return { 'each of': shapeOfSchema(item) };
  if (entries !== undefined) {
    return Object.fromEntries(Object.entries(entries).map(([name, one]) => [name, shapeOfSchema(one)]));
  }
  return type === 'number' ? 'integer' : type === 'record' ? 'object' : type;
}

describe('the CRD of the chart', async () => {
  const crd = v.parse(crdSchema, parse(await readFile(FILE, 'utf8')));
  const [{ schema }] = crd.spec.versions;

  it('is of the group and kind that the operator asks for', () => {
    expect([crd.spec.group, crd.spec.names.kind]).toEqual([GROUP, KIND]);
  });

  it.each(['spec', 'status'] as const)('has the fields and values of %s that the operator reads', (part) => {
    const property = schema.openAPIV3Schema.properties[part] as Property;
    expect(shapeOfProperty(property)).toEqual(shapeOfSchema(PARTS[part] as AnySchema));
  });

  it('leaves options of external pools to the one list of them', () => {
    expect(CLIENT_OPTION_NAMES.length).toBeLessThanOrEqual(40);
  });
});
