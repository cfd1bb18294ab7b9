import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startKubeApi, type KubeApi } from '../../test/lib/kube-api.js';
import { createNodeLookup } from './node-lookup.js';

let api: KubeApi;
let account: string;
let env: Record<string, string>;

beforeAll(async () => {
  api = await startKubeApi();
  account = join(api.directory, 'account');
  await mkdir(account);
  await writeFile(join(account, 'ca.crt'), api.ca);
  const { hostname, port } = new URL(api.url);
  env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
});

afterAll(async () => {
  await api?.stop();
});

it('asks the cluster for the node, with the token of the moment', async () => {
  const drivers = [
    { name: 'other.example.com', nodeID: 'id' },
    { name: 'csi.kayal.storage', nodeID: 'w1' },
  ];
  api.answer = ({ url }) => {
    if (url.pathname.endsWith('/w1')) return { body: { spec: { drivers } } };
    if (url.pathname.endsWith('/bare')) return { body: { spec: { drivers: null } } };
    return { status: 404, body: { kind: 'Status', message: 'csinodes "x" not found' } };
  };
  const hasNode = createNodeLookup(env, account);
  await writeFile(join(account, 'token'), 'first\n');
  expect(await hasNode('w1')).toBe(true);
  await writeFile(join(account, 'token'), 'second\n');
  expect(await hasNode('bare')).toBe(false);
  expect(await hasNode('x')).toBe(false);
  expect(api.requests.map(({ url, token }) => `${url.pathname} ${token}`)).toEqual([
    '/apis/storage.k8s.io/v1/csinodes/w1 first',
    '/apis/storage.k8s.io/v1/csinodes/bare second',
    '/apis/storage.k8s.io/v1/csinodes/x second',
  ]);
});

it('says what is missing when it may not ask, and does not call a node unknown for that', async () => {
  await writeFile(join(account, 'token'), 'token');
  api.answer = () => ({ status: 403, body: { kind: 'Status', message: 'forbidden' } });
  await expect(createNodeLookup(env, account)('w1')).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringMatching(/csinodes/) as string,
  });
});

it('takes any node outside of a cluster', async () => {
  expect(await createNodeLookup({})('anything')).toBe(true);
});
