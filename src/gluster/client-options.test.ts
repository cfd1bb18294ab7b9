import { describe, expect, it } from 'vitest';
import { checkClientOptions, clientOptionArguments } from './client-options.js';

describe('client options', () => {
  it('allows what concerns speed and caches', () => {
    const options = {
      'log-level': 'INFO',
      'entry-timeout': '0.5',
      'direct-io-mode': 'auto',
      'reader-thread-count': '4',
      acl: 'on',
    };
    expect(checkClientOptions(options)).toEqual([]);
    expect(clientOptionArguments(options)).toEqual([
      '--log-level=INFO',
      '--entry-timeout=0.5',
      '--direct-io-mode=auto',
      '--reader-thread-count=4',
      '--acl',
    ]);
  });

  it.each([
    'log-file',
    'volfile',
    'volfile-id',
    'xlator-option',
    'process-name',
    'dump-fuse',
    'pid-file',
    'client-pid',
    'fuse-mountopts',
    '__proto__',
    'constructor',
  ])('does not allow %s', (name) => {
    expect(checkClientOptions(Object.fromEntries([[name, 'x']]))).toEqual([
      expect.stringContaining(`${name} is not an option`),
    ]);
  });

  it.each([
    ['entry-timeout', '-1'],
    ['entry-timeout', '1 --dump-fuse=/x'],
    ['log-level', 'debug'],
    ['reader-thread-count', '65'],
    ['use-readdirp', 'maybe'],
  ])('does not allow %s = %j', (name, value) => {
    expect(checkClientOptions({ [name]: value })).toHaveLength(1);
  });
});
