import * as v from 'valibot';
import { parseQuantity } from '../base/quantity.js';
import { isBrickAddress } from '../gluster/brick-address.js';
import { isPoolName } from '../volumes/records/handle.js';
import { isNodeName } from './node-name.js';

/** Bytes; Linux' PATH_MAX less room for what Kayal and GlusterFS put below the directory. */
const MAX_PATH = 1024;
/** Paths stand unquoted in volfiles, those of bricks in option names there, too (auth.login.<brick>.allow). */
const VOLFILE_CHARACTERS = /^[A-Za-z0-9._+@=/-]*$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.|$))+$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/;
/** glusterd's rule for volume names (glusterd-volgen: letters, digits, - and _). */
const VOLUME = /^[A-Za-z0-9_-]{1,128}$/;

/** A string that passes `check`; `requirement` ("must be …") is the message for every other value. */
function text(requirement: string, check: (value: string) => boolean): v.GenericSchema<string> {
  return v.pipe(v.string(requirement), v.check(check, requirement));
}

function isAbsolutePath(path: string): boolean {
  const names = path.replace(/\/$/, '').split('/').slice(1);
  return (
    path.startsWith('/') &&
    names.length > 0 &&
    names.every((name) => name !== '' && name !== '.' && name !== '..') &&
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    !/[\u0000-\u001f\u007f]/.test(path) &&
    Buffer.byteLength(path) <= MAX_PATH
  );
}

function absolutePath(requirement: string, check: (path: string) => boolean = () => true): v.GenericSchema<string> {
  return v.pipe(
    text(requirement, (path) => isAbsolutePath(path) && check(path)),
    v.transform((path) => path.replace(/\/$/, '')),
  );
}

const boolean = v.boolean('must be true or false');

/** As YAML has it: 1Gi is a string there, 1073741824 a number. */
const byteCount = v.pipe(
  v.union([v.string(), v.number()], 'must be an amount of bytes such as 1Gi or 500M'),
  v.transform((given) => Number(parseQuantity(String(given)) ?? Number.NaN)),
  v.check((bytes) => Number.isSafeInteger(bytes), 'must be an amount of bytes such as 1Gi or 500M, at most 8Pi'),
);

const INLINE_KEYS = 'must be a mapping with the key maxSize (such as 1Gi), and maxPerNode if 100 are not right';

const inlineVolumes = v.optional(
  v.pipe(
    v.strictObject(
      {
        maxSize: byteCount,
        maxPerNode: v.optional(
          v.pipe(
            v.number('must be a whole number from 1 to 1000'),
            v.check(
              (count) => Number.isInteger(count) && count >= 1 && count <= 1000,
              'must be a whole number from 1 to 1000',
            ),
          ),
          100,
        ),
      },
      INLINE_KEYS,
    ),
    v.transform(({ maxSize: maxBytes, maxPerNode }) => ({ maxBytes, maxPerNode })),
  ),
);

const common = {
  name: text('must be a DNS label: 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends', isPoolName),
  overcommit: v.optional(
    v.pipe(
      v.number('must be a number from 0.01 to 1000'),
      v.check((factor) => factor >= 0.01 && factor <= 1000, 'must be a number from 0.01 to 1000'),
    ),
    1,
  ),
  staticOnly: v.optional(boolean, false),
  inlineVolumes,
};

/** No default here: it depends on `staticOnly`. */
function quota<const Names extends readonly string[]>(
  names: Names,
  because: string,
): v.GenericSchema<Names[number] | undefined> {
  return v.optional(v.picklist(names, `must be one of ${names.join(', ')}${because}`));
}

const pemFile = absolutePath(
  `must be an absolute path without . and .. of letters, digits and . _ + @ = / -, of at most ${MAX_PATH} bytes`,
  (path) => VOLFILE_CHARACTERS.test(path),
);

const tlsFiles = { certificate: pemFile, key: pemFile, ca: pemFile };
const TLS_KEYS = 'must be a mapping with the keys certificate, key and ca: absolute paths of PEM files';

const managedTls = v.optional(v.strictObject(tlsFiles, TLS_KEYS));
const glusterTls = v.optional(
  v.strictObject(
    { ...tlsFiles, management: v.optional(boolean, false) },
    `${TLS_KEYS}; and management, if glusterd talks TLS`,
  ),
);

const WHOLE = 'must be a whole number, at least 1';
const brickCount = v.pipe(
  v.number(WHOLE),
  v.check((count) => Number.isInteger(count) && count >= 1, WHOLE),
);

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const CREDENTIAL = 'must be 1 to 128 of letters, digits and -';
const credential = text(CREDENTIAL, (given) => /^[A-Za-z0-9-]{1,128}$/.test(given));

const remote = v.optional(
  v.strictObject(
    {
      volumeId: text('must be a UUID in lower case', (given) => UUID.test(given)),
      credentials: v.strictObject(
        { username: credential, password: credential },
        'must be a mapping with the keys username and password',
      ),
      addresses: v.array(
        text('must be HOST:PORT, the host being a name or an IPv4 address', isBrickAddress),
        'must be a list of HOST:PORT, one for each brick',
      ),
    },
    'must be a mapping with the keys volumeId, credentials and addresses',
  ),
);

const managed = v.object({
  ...common,
  type: v.literal('managed'),
  quota: quota(['auto', 'project', 'gluster', 'simple', 'none'], ''),
  replica: v.optional(v.picklist([1, 2, 3], 'must be 1 or 3')),
  arbiter: v.optional(v.literal(1, 'must be 1: the last brick of each group')),
  disperse: v.optional(
    v.strictObject({ data: brickCount, redundancy: brickCount }, 'must be a mapping with the keys data and redundancy'),
  ),
  bricks: v.array(
    absolutePath(
      `must be an absolute path without . and .. of letters, digits and . _ + @ = / -, of at most ${MAX_PATH} bytes`,
      (path) => VOLFILE_CHARACTERS.test(path),
    ),
    'must be a list of absolute paths, one per replica, group by group',
  ),
  clientCache: v.optional(boolean, true),
  quotaStrict: v.optional(boolean, false),
  quotaProfile: v.optional(v.picklist(['exact', 'large-volumes'], 'must be exact or large-volumes'), 'exact'),
  tls: managedTls,
  remote,
});

const gluster = v.object({
  ...common,
  type: v.literal('gluster'),
  quota: quota(['auto', 'gluster', 'simple', 'none'], ' (project needs bricks that Kayal runs: a managed pool)'),
  hosts: v.pipe(
    v.array(
      text('must be a host name or an address', (host) => host.length <= 253 && HOST.test(host)),
      'must be a list of host names or addresses',
    ),
    v.minLength(1, 'must list at least one host'),
  ),
  volume: text("must be a GlusterFS volume's name: letters, digits, - and _", (name) => VOLUME.test(name)),
  options: v.optional(
    v.record(
      v.string(),
      v.pipe(
        v.union([v.string(), v.number(), v.boolean()], 'must be a string, a number, true or false'),
        v.transform(String),
      ),
      'must be a mapping of option names to values',
    ),
    {},
  ),
  tls: glusterTls,
});

const directory = v.object({
  ...common,
  type: v.literal('directory'),
  quota: quota(['auto', 'project', 'none'], ' (gluster and simple need a mount that Kayal makes: a gluster pool)'),
  path: absolutePath(`must be an absolute path without . and .., not /, of at most ${MAX_PATH} bytes`),
  shared: v.optional(boolean, false),
  node: v.optional(text("must be a node's name (the --node-id that Kayal has there)", isNodeName)),
  requireMount: v.optional(boolean, true),
});

/** What a pool of each type may hold; what concerns several keys at once is in config-rules.ts. */
export const poolSchemas = { managed, gluster, directory };

export type PoolType = keyof typeof poolSchemas;
export const POOL_TYPES = Object.keys(poolSchemas) as readonly PoolType[];
export type ParsedPool = v.InferOutput<(typeof poolSchemas)[PoolType]>;

/** The top of the file; each pool is then checked by the schema of its type. */
export const fileSchema = v.object({
  installation: text('must be the name of this installation of Kayal: 1 to 63 of letters, digits, . _ and -', (name) =>
    /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(name),
  ),
  pools: v.array(v.unknown(), 'must be a list of pools'),
});
