import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { parse } from 'yaml';
import { failedPrecondition, isErrno, messageOf } from '../base/errors.js';
import type { ApiServer, Credentials } from './api-server.js';
import { KubeconfigSchema, type Kubeconfig, type KubeconfigUser } from './kubeconfig-schema.js';

/** An entry and the directory of the file that it stands in: paths in it are relative to that. */
interface Found<T> {
  readonly value: T;
  readonly directory: string;
}

async function readFileAt(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw failedPrecondition(`${what} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

async function load(file: string): Promise<Kubeconfig> {
  const text = await readFileAt(file, `kubeconfig ${file}`);
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    // The parser's message quotes the line, which may be a key or a token.
    throw failedPrecondition(`kubeconfig ${file} is not YAML`, { cause: error });
  }
  const result = v.safeParse(KubeconfigSchema, document ?? {});
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw failedPrecondition(`kubeconfig ${file}: ${v.getDotPath(issue) ?? 'the file'} is not of the expected type`);
}

/** Text that stands in the file itself (base64), or in a file beside it. */
async function pem(
  { value, directory }: Found<Readonly<Record<string, unknown>>>,
  name: string,
): Promise<string | undefined> {
  const inline = value[`${name}-data`];
  if (typeof inline === 'string' && inline !== '') return Buffer.from(inline, 'base64').toString('utf8');
  const file = value[name];
  return typeof file === 'string' && file !== '' ? readFileAt(resolve(directory, file), name) : undefined;
}

async function readCredentials(
  cluster: Found<Readonly<Record<string, unknown>>>,
  user: Found<KubeconfigUser>,
): Promise<Credentials> {
  const { token, tokenFile } = user.value;
  // client-go prefers the file: the token beside it is the one it once held.
  const fromFile =
    tokenFile === undefined || tokenFile === ''
      ? token
      : (await readFileAt(resolve(user.directory, tokenFile), 'tokenFile')).trim();
  return {
    ca: await pem(cluster, 'certificate-authority'),
    cert: await pem(user, 'client-certificate'),
    key: await pem(user, 'client-key'),
    token: fromFile === '' ? undefined : fromFile,
  };
}

/** What only kubectl and client-go can do. */
function checkSupported(where: string, user: KubeconfigUser, proxy: string | undefined): void {
  const instead = 'give a kubeconfig with a token or a client certificate, or pass the handles on standard input';
  const { exec, 'auth-provider': provider, username } = user;
  if (exec !== undefined) {
    throw failedPrecondition(`${where} gets its credentials from the program ${exec.command ?? '?'}: ${instead}`);
  }
  if (provider !== undefined) {
    throw failedPrecondition(`${where} gets its credentials from auth-provider ${provider.name ?? '?'}: ${instead}`);
  }
  if ((username ?? '') !== '') throw failedPrecondition(`${where} has a user name and a password: ${instead}`);
  if ((proxy ?? '') !== '') throw failedPrecondition(`${where} goes through proxy-url, which is not supported`);
}

function serverUrl(where: string, server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url?.protocol === 'https:') return url;
  throw failedPrecondition(`${where}: server must be https://HOST[:PORT], is ${JSON.stringify(server)}`);
}

/**
 * The API server of the current context.
 * @param files as $KUBECONFIG names them; of several, the first that has something wins, and missing ones do not matter
 * @throws KayalError FAILED_PRECONDITION
 */
export async function kubeconfigApiServer(files: readonly string[]): Promise<ApiServer> {
  const loaded: Found<Kubeconfig>[] = [];
  for (const file of files) {
    try {
      loaded.push({ value: await load(file), directory: dirname(resolve(file)) });
    } catch (error) {
      const isMissing = error instanceof Error && isErrno(error.cause, 'ENOENT');
      if (!isMissing || files.length === 1) throw error;
    }
  }
  const source = `kubeconfig ${files.join(':')}`;
  const find = <T>(what: string, name: string, pick: (config: Kubeconfig) => T | undefined): Found<T> => {
    for (const { value: config, directory } of loaded) {
      const value = pick(config);
      if (value !== undefined) return { value, directory };
    }
    throw failedPrecondition(`${source} has no ${what} ${JSON.stringify(name)}`);
  };
  const name = loaded.map(({ value }) => value['current-context']).find((context) => context !== '') ?? '';
  if (name === '') throw failedPrecondition(`${source} has no current-context: kubectl config use-context NAME`);
  const context = find('context', name, (config) => config.contexts.find((entry) => entry.name === name)?.context);
  const names = context.value;
  const cluster = find(
    'cluster',
    names.cluster,
    (config) => config.clusters.find((entry) => entry.name === names.cluster)?.cluster,
  );
  const user: Found<KubeconfigUser> =
    names.user === ''
      ? { value: {}, directory: cluster.directory }
      : find('user', names.user, (config) => config.users.find((entry) => entry.name === names.user)?.user);
  const where = `context ${name} of ${source}`;
  checkSupported(where, user.value, cluster.value['proxy-url']);
  return {
    url: serverUrl(where, cluster.value.server),
    servername: cluster.value['tls-server-name'],
    isInsecure: cluster.value['insecure-skip-tls-verify'],
    source: where,
    credentials: () => readCredentials(cluster, user),
  };
}
