import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startKubeApi, type KubeApi } from '../../test/lib/kube-api.js';
import { ApiClient } from './api-client.js';
import { listClaimsInUse, listPersistentVolumes } from './cluster-volumes.js';
import { findApiServer } from './find-api-server.js';
import { podApiServer } from './service-account.js';

const NODES = { group: '', version: 'v1', resource: 'nodes' };
const Named = v.object({ metadata: v.object({ name: v.string() }) });
const named = (name: string): object => ({ metadata: { name } });

let api: KubeApi;
beforeAll(async () => {
  api = await startKubeApi();
});
afterAll(() => api?.stop());
beforeEach(() => {
  api.requests.length = 0;
});

async function clientOf(kubeconfig: string, options: { deadlineMs?: number; pageSize?: number } = {}) {
  const file = join(api.directory, 'config');
  await writeFile(file, kubeconfig);
  return new ApiClient(await findApiServer(file, {}), options);
}

describe('a kubeconfig', () => {
  beforeEach(() => {
    api.answer = () => ({ body: named('n1') });
  });

  it('names a client certificate by file, relative to itself, or holds it', async () => {
    const byFile = await clientOf(api.kubeconfig({ 'client-certificate': 'client.crt', 'client-key': 'client.key' }));
    expect(await byFile.get(NODES, 'n1', Named)).toEqual(named('n1'));
    byFile.close();
    expect(api.requests.at(-1)).toMatchObject({ user: 'kayal-test', token: undefined });
    expect(api.requests.at(-1)?.url.pathname).toBe('/api/v1/nodes/n1');

    const data = { 'certificate-authority-data': Buffer.from(api.ca).toString('base64') };
    const byData = await clientOf(api.kubeconfig({ token: 'secret' }, data));
    await byData.get(NODES, 'n1', Named);
    byData.close();
    expect(api.requests.at(-1)).toMatchObject({ user: undefined, token: 'secret' });
  });

  it('has a token in a file, which is read again for each request', async () => {
    const file = join(api.directory, 'token');
    await writeFile(file, 'one\n');
    const client = await clientOf(api.kubeconfig({ tokenFile: 'token' }));
    await client.get(NODES, 'n1', Named);
    await writeFile(file, 'two\n');
    await client.get(NODES, 'n1', Named);
    client.close();
    expect(api.requests.map(({ token }) => token)).toEqual(['one', 'two']);
  });

  it('does not pass a server that another CA signed', async () => {
    const client = await clientOf(api.kubeconfig({ token: 't' }, { 'certificate-authority-data': '' }));
    await expect(client.get(NODES, 'n1', Named)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /the API server at https:\/\/127\.0\.0\.1:\d+ \(context here of kubeconfig/,
      ) as string,
    });
    client.close();
    expect(api.requests).toEqual([]);
  });

  it.each([
    [{ exec: { command: 'aws-iam' } }, {}, /gets its credentials from the program aws-iam: give a kubeconfig/],
    [{ 'auth-provider': { name: 'gcp' } }, {}, /auth-provider gcp/],
    [{ username: 'u', password: 'p' }, {}, /has a user name and a password/],
    [{}, { server: 'http://127.0.0.1:1' }, /server must be https/],
    [{}, { 'proxy-url': 'http://proxy' }, /proxy-url, which is not supported/],
    [{ token: 5 }, {}, /users\.0\.user\.token is not of the expected type/],
  ])('of a kind that only kubectl understands is told of: %j %j', async (user, cluster, message) => {
    const server = clientOf(api.kubeconfig(user, cluster));
    await expect(server).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(message) as string,
    });
  });

  it('of several in $KUBECONFIG: the first that has something, missing ones do not matter', async () => {
    const [first, second] = [join(api.directory, 'first'), join(api.directory, 'second')];
    await writeFile(first, 'current-context: other\ncontexts: null\n');
    await writeFile(second, api.kubeconfig({ token: 't' }));
    await expect(findApiServer(undefined, { KUBECONFIG: `${first}:${second}` })).rejects.toThrow(
      /has no context "other"/,
    );
    const found = await findApiServer(undefined, { KUBECONFIG: `${api.directory}/none:${second}` });
    expect(found.url.origin).toBe(api.url);
    await expect(findApiServer(undefined, { KUBECONFIG: `${api.directory}/none` })).rejects.toThrow(/cannot be read/);
  });

  it('is not there at all', async () => {
    await expect(findApiServer(undefined, { HOME: api.directory })).rejects.toThrow(
      /no cluster to ask.*--kubeconfig FILE/,
    );
    await mkdir(join(api.directory, '.kube'));
    await writeFile(join(api.directory, '.kube/config'), api.kubeconfig({ token: 't' }));
    expect((await findApiServer(undefined, { HOME: api.directory })).url.origin).toBe(api.url);
  });
});

it('finds the API server of the pod that it runs in', async () => {
  api.answer = () => ({ body: named('n1') });
  const { port } = new URL(api.url);
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port };
  await writeFile(join(api.directory, 'token'), 'pod-token\n');
  const server = podApiServer(env, api.directory);
  if (server === undefined) throw new Error('no server');
  const client = new ApiClient(server);
  await client.get(NODES, 'n1', Named);
  client.close();
  expect(api.requests.at(-1)?.token).toBe('pod-token');
  expect(podApiServer({}, api.directory)).toBeUndefined();
  expect(podApiServer({ ...env, KUBERNETES_SERVICE_HOST: 'fd00::1' })?.url.hostname).toBe('[fd00::1]');
  const without = podApiServer(env, join(api.directory, 'none'));
  await expect(without?.credentials()).rejects.toThrow(/automountServiceAccountToken/);
});

describe('a list', () => {
  const pages = (...names: readonly string[]) => {
    api.answer = ({ url }) => {
      const from = Number(url.searchParams.get('continue') ?? '0');
      const size = Number(url.searchParams.get('limit'));
      const next = from + size < names.length ? { continue: `${from + size}` } : {};
      return { body: { metadata: next, items: names.slice(from, from + size).map(named) } };
    };
  };

  it('is read page by page', async () => {
    pages('a', 'b', 'c', 'd', 'e');
    const client = await clientOf(api.kubeconfig({ token: 't' }), { pageSize: 2 });
    const items = await client.list(NODES, Named, { labelSelector: 'x=y' });
    client.close();
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(api.requests.map(({ url }) => url.search)).toEqual([
      '?limit=2&labelSelector=x%3Dy',
      '?limit=2&labelSelector=x%3Dy&continue=2',
      '?limit=2&labelSelector=x%3Dy&continue=4',
    ]);
  });

  it('begins again when the server has forgotten where it was, but not for ever', async () => {
    pages('a', 'b', 'c');
    const serve = api.answer;
    const gone = { status: 410, body: { kind: 'Status', message: 'The provided continue parameter is too old' } };
    let expired = 1;
    api.answer = (request) => (request.url.searchParams.has('continue') && expired-- > 0 ? gone : serve(request));
    const client = await clientOf(api.kubeconfig({ token: 't' }), { pageSize: 2 });
    expect((await client.list(NODES, Named)).map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c']);
    expired = Infinity;
    await expect(client.list(NODES, Named)).rejects.toThrow(/too old/);
    client.close();
    expect(api.requests).toHaveLength(4 + 6);
  });
});

describe('an answer that is no success', () => {
  const PVS = { group: '', version: 'v1', resource: 'persistentvolumes' };
  const ATTACHMENTS = { group: 'storage.k8s.io', version: 'v1', resource: 'volumeattachments' };

  it.each([
    [401, 'FAILED_PRECONDITION', /HTTP 401: why; its credentials are not valid/],
    [
      403,
      'FAILED_PRECONDITION',
      /ClusterRole with the rule \{ apiGroups: \[''\], resources: \[persistentvolumes\], verbs: \[list\] \}/,
    ],
    [404, 'FAILED_PRECONDITION', /the cluster has no persistentvolumes of version v1/],
    [429, 'UNAVAILABLE', /HTTP 429/],
    [503, 'UNAVAILABLE', /HTTP 503/],
    [400, 'INVALID_ARGUMENT', /HTTP 400: why/],
  ])('%i says what to do', async (status, code, message) => {
    api.answer = () => ({ status, body: { kind: 'Status', message: 'why' } });
    const client = await clientOf(api.kubeconfig({ token: 't' }));
    const call = client.list(PVS, v.object({}));
    await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    client.close();
  });

  it('404 for one object is NOT_FOUND, 403 in a namespace needs a Role', async () => {
    api.answer = () => ({ status: 404, body: '<html>' });
    const client = await clientOf(api.kubeconfig({ token: 't' }));
    const gone = client.get(ATTACHMENTS, 'csi-1', v.object({}));
    await expect(gone).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^get volumeattachments\.storage\.k8s\.io csi-1 at/) as string,
    });
    expect(api.requests.at(-1)?.url.pathname).toBe('/apis/storage.k8s.io/v1/volumeattachments/csi-1');
    api.answer = () => ({ status: 403, body: { kind: 'Status', message: 'forbidden' } });
    const pods = { group: '', version: 'v1', resource: 'pods', namespace: 'team' };
    await expect(client.get(pods, 'p', v.object({}))).rejects.toThrow(/a Role in namespace team with .*verbs: \[get\]/);
    expect(api.requests.at(-1)?.url.pathname).toBe('/api/v1/namespaces/team/pods/p');
    client.close();
  });

  it('no answer, no JSON, and objects of another shape', async () => {
    const client = await clientOf(api.kubeconfig({ token: 't' }), { deadlineMs: 300 });
    api.answer = () => new Promise(() => undefined);
    await expect(client.get(NODES, 'n', Named)).rejects.toThrow(/no answer within 0\.3 s/);
    client.close();
    const patient = await clientOf(api.kubeconfig({ token: 't' }));
    api.answer = () => ({ body: 'hello' });
    await expect(patient.get(NODES, 'n', Named)).rejects.toThrow(/not JSON/);
    api.answer = () => ({ body: { metadata: {} } });
    await expect(patient.get(NODES, 'n', Named)).rejects.toThrow(/metadata\.name/);
    patient.close();
  });
});

it('knows the volumes of a driver, and the claims that pods use', async () => {
  const volumes = [
    {
      spec: {
        csi: { driver: 'csi.kayal.storage', volumeHandle: 'p/a' },
        claimRef: { namespace: 'team', name: 'data' },
      },
    },
    { spec: { csi: { driver: 'csi.kayal.storage', volumeHandle: 'p/b' } } },
    { spec: { csi: { driver: 'other', volumeHandle: 'p/c' } } },
    { spec: { nfs: {} } },
  ];
  const pods = [
    {
      metadata: { namespace: 'team', name: 'web' },
      spec: {
        volumes: [
          { name: 'v', persistentVolumeClaim: { claimName: 'data' } },
          { name: 'scratch', ephemeral: { volumeClaimTemplate: {} } },
          { name: 'token', projected: {} },
        ],
      },
    },
    { metadata: { namespace: 'team', name: 'idle' }, spec: {} },
  ];
  api.answer = ({ url }) => ({ body: { items: url.pathname.endsWith('/pods') ? pods : volumes } });
  const client = await clientOf(api.kubeconfig({ token: 't' }));
  expect(await listPersistentVolumes(client, 'csi.kayal.storage')).toEqual([
    { handle: 'p/a', claim: 'team/data' },
    { handle: 'p/b', claim: undefined },
  ]);
  expect([...(await listClaimsInUse(client))]).toEqual(['team/data', 'team/web-scratch']);
  expect(api.requests.at(-1)?.url.searchParams.get('fieldSelector')).toBe(
    'status.phase!=Succeeded,status.phase!=Failed',
  );
  client.close();
});
