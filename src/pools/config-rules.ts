import { checkClientOptions } from '../gluster/client-options.js';
import type { Problem, RawPool } from './config-problem.js';
import { layoutRule } from './layout-rule.js';
import { remoteRule } from './remote-rule.js';

type Rule = (pool: RawPool) => readonly Problem[];

const problem = (key: string, message: string): readonly Problem[] => [{ key, message }];

const staticPoolHasNoQuota: Rule = (pool) =>
  pool['staticOnly'] === true && pool['quota'] !== undefined && pool['quota'] !== 'none'
    ? problem('quota', 'must be none, or left out, with staticOnly: Kayal makes nothing in such a pool')
    : [];

const staticPoolHasNoInlineVolumes: Rule = (pool) =>
  pool['staticOnly'] === true && pool['inlineVolumes'] !== undefined
    ? problem('inlineVolumes', 'must be left out with staticOnly: Kayal makes nothing in such a pool')
    : [];

const glusterQuotaKeys: Rule = (pool) => {
  const strict = pool['quotaStrict'] === true;
  const large = pool['quotaProfile'] === 'large-volumes';
  if (strict && large) {
    return problem('quotaStrict', 'cannot be true with quotaProfile: large-volumes; take one of them');
  }
  const other = pool['quota'];
  if ((!strict && !large) || other === undefined || other === 'auto' || other === 'gluster') return [];
  return problem(strict ? 'quotaStrict' : 'quotaProfile', 'applies with quota: gluster or auto only');
};

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

const knownClientOptions: Rule = ({ options }) => {
  if (typeof options !== 'object' || options === null) return [];
  // A list is an object too, for JavaScript as for valibot.
  if (Array.isArray(options)) return problem('options', 'must be a mapping of option names to values');
  const scalars = Object.entries(options).filter(([, value]) => isScalar(value));
  const texts = Object.fromEntries(scalars.map(([name, value]) => [name, String(value)]));
  return checkClientOptions(texts).map((message) => ({ key: 'options', message }));
};

function isMapping(value: unknown): value is RawPool {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const oneWayToSayManagementTls: Rule = ({ tls, options }) =>
  tls !== undefined && isMapping(options) && options['secure-mgmt'] !== undefined
    ? problem('options', 'cannot hold secure-mgmt with tls: say tls.management: true, or leave it out')
    : [];

const sharedOrOfOneNode: Rule = ({ shared, node }) => {
  if (shared === true && node !== undefined) {
    return problem('node', 'cannot be given with shared: true; take one of them');
  }
  if (shared === true || node !== undefined) return [];
  return problem(
    shared === undefined ? 'shared' : 'node',
    'is missing: say shared: true for a tree that is the same on all nodes, or node: NAME for one that only that node has',
  );
};

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  managed: [staticPoolHasNoQuota, staticPoolHasNoInlineVolumes, layoutRule, glusterQuotaKeys, remoteRule],
  gluster: [staticPoolHasNoQuota, staticPoolHasNoInlineVolumes, knownClientOptions, oneWayToSayManagementTls],
  directory: [staticPoolHasNoQuota, staticPoolHasNoInlineVolumes, sharedOrOfOneNode],
};

/** What is wrong between the keys of one pool; keys are relative to the pool. */
export function checkPoolRules(pool: RawPool): readonly Problem[] {
  return (RULES[String(pool['type'])] ?? []).flatMap((rule) => rule(pool));
}
