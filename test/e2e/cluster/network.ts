import { readdir } from 'node:fs/promises';
import { mustRun, runCommand } from '../../lib/run-command.js';

/**
 * What the cluster has on this machine's network carries these names, so that the next start finds what a killed run
 * left. A device's name has at most 15 characters.
 */
const NAMESPACE = 'kayal-e2e-';
const LINK = 'ke2e-';
const BRIDGE = `${LINK}br`;
const SUBNET = '10.77.0';
const PREFIX_LENGTH = 24;
/** This machine's own address on the bridge. */
const HOST_ADDRESS = `${SUBNET}.254`;

export interface Place {
  readonly name: string;
  readonly address: string;
}

/** @param number 1 to 253, the last part of its address */
export function placeOf(name: string, number: number): Place {
  return { name, address: `${SUBNET}.${number}` };
}

export function namespacePath(name: string): string {
  return `/run/netns/${NAMESPACE}${name}`;
}

async function networkNamespaces(): Promise<readonly string[]> {
  const names = await readdir('/run/netns').catch((): string[] => []);
  return names.filter((name) => name.startsWith(NAMESPACE));
}

async function links(): Promise<readonly string[]> {
  return (await readdir('/sys/class/net')).filter((name) => name.startsWith(LINK));
}

/** What clusters have of this machine's network. */
export async function findNetwork(): Promise<readonly string[]> {
  const namespaces = (await networkNamespaces()).map((name) => `network namespace ${name}`);
  return [...namespaces, ...(await links()).map((name) => `network interface ${name}`)];
}

/** Takes away all that is named like a part of the cluster's network. The processes in it have to be gone. */
export async function removeNetwork(): Promise<void> {
  for (const name of await networkNamespaces()) await mustRun('ip', ['netns', 'del', name]);
  // The other end of a pair goes with its namespace, a moment later.
  for (const name of await links()) await runCommand('ip', ['link', 'del', name]);
}

export async function createBridge(): Promise<void> {
  await mustRun('ip', ['link', 'add', BRIDGE, 'type', 'bridge']);
  await mustRun('ip', ['addr', 'add', `${HOST_ADDRESS}/${PREFIX_LENGTH}`, 'dev', BRIDGE]);
  await mustRun('ip', ['link', 'set', BRIDGE, 'up']);
}

/** A network namespace with eth0 on the bridge. */
export async function createPlace({ name, address }: Place): Promise<void> {
  const namespace = `${NAMESPACE}${name}`;
  await mustRun('ip', ['netns', 'add', namespace]);
  const peer = ['peer', 'name', 'eth0', 'netns', namespace];
  await mustRun('ip', ['link', 'add', `${LINK}${name}`, 'type', 'veth', ...peer]);
  await mustRun('ip', ['link', 'set', `${LINK}${name}`, 'master', BRIDGE, 'up']);
  await mustRun('ip', ['-n', namespace, 'addr', 'add', `${address}/${PREFIX_LENGTH}`, 'dev', 'eth0']);
  for (const link of ['eth0', 'lo']) await mustRun('ip', ['-n', namespace, 'link', 'set', link, 'up']);
}

/** Another address of a place, that the others reach through `addRoute`. */
export async function addAddress({ name }: Place, address: string): Promise<void> {
  await mustRun('ip', ['-n', `${NAMESPACE}${name}`, 'addr', 'add', `${address}/32`, 'dev', 'eth0']);
}

export async function addRoute({ name }: Place, subnet: string, via: string): Promise<void> {
  await mustRun('ip', ['-n', `${NAMESPACE}${name}`, 'route', 'add', subnet, 'via', via]);
}

/** Pulls a place's cable, or puts it in again. */
export async function setCable({ name }: Place, state: 'up' | 'down'): Promise<void> {
  await mustRun('ip', ['link', 'set', `${LINK}${name}`, state]);
}
