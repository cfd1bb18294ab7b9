import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPathPattern, expandPathPattern, problemOfPath } from './path-pattern.js';

const claim = { namespace: 'team-a', name: 'data', pv: 'pvc-1' };

describe('expandPathPattern', () => {
  it('gives the readable path of the docs', () => {
    const pattern = '${pv.metadata.name}_${pvc.metadata.namespace}_${pvc.metadata.name}';
    expect(expandPathPattern(pattern, claim)).toBe('pvc-1_team-a_data');
  });

  it.each(['..', '.', 'a/../..', '/etc', 'a/b'])(
    'refuses the claim name %j (CVE-2026-3864, CVE-2025-62878)',
    (name) => {
      expect(() => expandPathPattern('${pvc.metadata.namespace}/${pvc.metadata.name}', { ...claim, name })).toThrow(
        /no value/,
      );
    },
  );

  it('says what to do when the provisioner gives no metadata', () => {
    expect(() => expandPathPattern('${pvc.metadata.name}', {})).toThrow(/--extra-create-metadata/);
  });

  it('never leaves the pool nor touches what is Kayal’s, whatever the names', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(text, text, text, (namespace, name, pv) => {
        let path: string;
        try {
          path = expandPathPattern('${pvc.metadata.namespace}/${pvc.metadata.name}-${pv.metadata.name}', {
            namespace,
            name,
            pv,
          });
        } catch {
          return;
        }
        expect(problemOfPath(path)).toBeUndefined();
        expect(path.split('/')).toHaveLength(2);
        expect(path).not.toMatch(/(^|\/)\.{1,2}(\/|$)/);
      }),
    );
  });
});

describe('checkPathPattern', () => {
  it.each(['a', 'a/b', '${pvc.metadata.name}', 'x-${pvc.metadata.namespace}/y'])('accepts %j', (pattern) => {
    expect(checkPathPattern(pattern)).toBe(true);
  });
  it.each([
    '',
    '/a',
    '../a',
    'a/../b',
    'a//b',
    'a/',
    '.',
    '.kayal/x',
    'volumes/x',
    '.meta',
    '${pvc.metadata.labels.x}',
    '${__proto__}',
    '$x',
    'a\\b',
    'a\u0000b',
    'x'.repeat(256),
  ])('refuses %j', (pattern) => {
    expect(checkPathPattern(pattern)).toBe(false);
  });
});
