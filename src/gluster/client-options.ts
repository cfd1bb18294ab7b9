interface OptionRule {
  readonly allowed: RegExp;
  /** What is allowed, for people. */
  readonly say: string;
}

const BOOL: OptionRule = { allowed: /^(?:on|off|yes|no|true|false|enable|disable)$/, say: 'on or off' };
const BOOL_AUTO: OptionRule = { allowed: /^(?:on|off|yes|no|true|false|enable|disable|auto)$/, say: 'on, off or auto' };
const COUNT: OptionRule = { allowed: /^\d{1,7}$/, say: 'a number' };
const SECONDS: OptionRule = { allowed: /^\d{1,7}(?:\.\d{1,3})?$/, say: 'a number of seconds' };

/**
 * Options of glusterfs(8) that a pool may set. Left out is what would write elsewhere, change what is mounted, or take
 * away what Kayal counts on: log-file, volfile*, volume-name, xlator-option, process-name, dump-fuse, pid-file,
 * socket-file, client-pid, fuse-mountopts, subdir-mount, read-only, worm, debug, no-daemon, log-format, logger.
 */
const RULES: Readonly<Record<string, OptionRule>> = {
  acl: { allowed: /^(?:on|true|yes)$/, say: 'on (leave it out for off)' },
  'attribute-timeout': SECONDS,
  'auto-invalidation': BOOL,
  'background-qlen': COUNT,
  'congestion-threshold': COUNT,
  'direct-io-mode': BOOL_AUTO,
  'entry-timeout': SECONDS,
  'event-history': BOOL,
  'fopen-keep-cache': BOOL,
  'gid-timeout': SECONDS,
  'global-threading': BOOL,
  'invalidate-limit': COUNT,
  'kernel-writeback-cache': BOOL,
  'log-level': {
    allowed: /^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL|TRACE|NONE)$/,
    say: 'DEBUG, INFO, WARNING, ERROR, CRITICAL, TRACE or NONE',
  },
  'lru-limit': COUNT,
  'negative-timeout': SECONDS,
  'oom-score-adj': { allowed: /^-?\d{1,4}$/, say: 'a number from -1000 to 1000' },
  'reader-thread-count': { allowed: /^(?:[1-9]|[1-5]\d|6[0-4])$/, say: 'a number from 1 to 64' },
  'resolve-gids': { allowed: /^(?:on|true|yes)$/, say: 'on (leave it out for off)' },
  'secure-mgmt': BOOL,
  selinux: { allowed: /^(?:on|true|yes)$/, say: 'on (leave it out for off)' },
  'use-readdirp': BOOL,
};

/** Options that glusterfs(8) takes without a value. */
const FLAGS = new Set(['acl', 'resolve-gids', 'selinux']);

/** The names that a `gluster` pool's `options` may use. */
export const CLIENT_OPTION_NAMES: readonly string[] = Object.keys(RULES);

/**
 * Checks the `options` of a `gluster` pool.
 * @returns what is wrong, a text per option that begins with its name; empty when all are allowed
 */
export function checkClientOptions(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
    if (rule === undefined) {
      return [`${name} is not an option that a pool may set (allowed: ${CLIENT_OPTION_NAMES.join(', ')})`];
    }
    return rule.allowed.test(value) ? [] : [`${name} must be ${rule.say} (is ${JSON.stringify(value)})`];
  });
}

/** The command-line arguments of glusterfs(8) for options that checkClientOptions has accepted. */
export function clientOptionArguments(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).map(([name, value]) => (FLAGS.has(name) ? `--${name}` : `--${name}=${value}`));
}
