import { waitFor } from '../../lib/wait.js';
import { DRIVER } from '../cluster/install.js';
import { expectThat, type Check, type CheckContext } from '../lib/check.js';
import { claim } from '../lib/objects.js';

/** Waits for the events of a claim that cannot be made, until one says all that it has to. */
async function expectEvent({ kubectl }: CheckContext, parts: readonly string[]): Promise<void> {
  let last = 'nothing';
  await waitFor(
    `an event with ${parts.join(', ')}`,
    async () => {
      const events = (await kubectl.events()).filter(({ reason }) => reason === 'ProvisioningFailed');
      last = events.map(({ message }) => message).join('\n') || last;
      return events.some(({ message }) => parts.every((part) => message.includes(part))) ? true : undefined;
    },
    { timeoutMs: 120_000, intervalMs: 1_000 },
  ).catch((error: Error) => expectThat(false, `${error.message}; there is: ${last}`));
}

const wrongParameter: Check = {
  name: "a wrong StorageClass parameter: the claim's event names it, and those that there are",
  isQuick: true,
  run: async (context) => {
    const name = `wrong-${context.namespace}`;
    await context.kubectl.apply(
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: { name },
        provisioner: DRIVER,
        parameters: { pool: 'shared', colour: 'red' },
      },
      claim({ name: 'data', storageClass: name }),
    );
    try {
      await expectEvent(context, ['colour', 'onDelete', 'pathPattern']);
    } finally {
      await context.kubectl.delete('pvc/data', `storageclass/${name}`);
    }
  },
};

const fullPool: Check = {
  name: "a pool without enough room: the claim's event says how much there is",
  run: async (context) => {
    await context.kubectl.apply(claim({ name: 'data', size: '100Ti' }));
    await expectEvent(context, ['shared', 'left to promise', 'grow the pool']);
  },
};

const unreachablePool: Check = {
  name: "a pool that cannot be reached: the claim's event names it and its hosts",
  run: async (context) => {
    await context.kubectl.apply(claim({ name: 'data', storageClass: 'kayal-gone' }));
    await expectEvent(context, ['gone', '127.0.0.254']);
  },
};

export const messageChecks: readonly Check[] = [wrongParameter, fullPool, unreachablePool];
