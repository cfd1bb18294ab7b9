import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startKubeApi, type KubeApi } from '../../test/lib/kube-api.js';
import { collectingLogger } from '../../test/lib/managed-pool.js';
import { waitFor } from '../../test/lib/wait.js';
import { ApiClient } from './api-client.js';
import { findApiServer } from './find-api-server.js';
import { PodEvents } from './pod-events.js';

const PODS = [
  { namespace: 'team', name: 'web-0', uid: 'u0' },
  { namespace: 'other', name: 'x'.repeat(253), uid: 'u1' },
];
const EVENT = { type: 'Warning', reason: 'VolumeHangs', message: 'it hangs' } as const;

let api: KubeApi;
let client: ApiClient;
let lines: string[];
let events: PodEvents;
beforeAll(async () => {
  api = await startKubeApi();
  const file = join(api.directory, 'config');
  await writeFile(file, api.kubeconfig({ token: 'secret' }));
  client = new ApiClient(await findApiServer(file, {}));
});
afterAll(async () => {
  client?.close();
  await api?.stop();
});
beforeEach(() => {
  api.requests.length = 0;
  api.answer = () => ({ status: 201, body: {} });
  lines = [];
  events = new PodEvents({ client, node: 'node-1', log: collectingLogger(lines) });
});
const sent = (count: number) =>
  waitFor('the events', () => (api.requests.length >= count ? api.requests.slice() : undefined));

it('every pod is told, in its own namespace', async () => {
  events.tell(PODS, EVENT);
  const requests = await sent(2);
  const to = (namespace: string) =>
    requests.find(({ method, url }) => method === 'POST' && url.pathname === `/api/v1/namespaces/${namespace}/events`);
  expect(to('team')?.body).toMatchObject({
    kind: 'Event',
    metadata: { namespace: 'team', name: expect.stringMatching(/^web-0\.[0-9a-f]{16}$/) as string },
    involvedObject: { kind: 'Pod', namespace: 'team', name: 'web-0', uid: 'u0' },
    ...EVENT,
    firstTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
    source: { component: 'csi.kayal.storage', host: 'node-1' },
  });
  expect(to('other')?.body).toMatchObject({
    metadata: { name: expect.stringMatching(/^x{230}\.[0-9a-f]{16}$/) as string },
  });
});

it('the same is said once, something else at once', async () => {
  events.tell(PODS, EVENT);
  events.tell(PODS, EVENT);
  events.tell(PODS.slice(0, 1), { ...EVENT, reason: 'VolumeAnswers' });
  const requests = await sent(3);
  // Several are on their way at once.
  expect(requests.map(({ body }) => (body as { reason: string }).reason).sort()).toEqual([
    'VolumeAnswers',
    'VolumeHangs',
    'VolumeHangs',
  ]);
});

it('a server that does not let us is told of once, with the rule that is missing', async () => {
  api.answer = () => ({ status: 403, body: { kind: 'Status', message: 'no' } });
  events.tell(PODS, EVENT);
  await sent(2);
  events.tell(PODS, { ...EVENT, reason: 'VolumeAnswers' });
  await sent(4);
  await waitFor('the lines', () => (lines.length >= 2 ? true : undefined));
  const named = (namespace: string) => lines.filter((line) => line.includes(`namespace ${namespace}`));
  expect(named('team')[0]).toContain('resources: [events], verbs: [create]');
  expect(lines.length).toBeLessThanOrEqual(4);
});
