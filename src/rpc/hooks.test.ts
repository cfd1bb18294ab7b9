import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createHooks } from './hooks.js';
import type { CallReport } from './service.js';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly requestId?: string;
  readonly method?: string;
  readonly [field: string]: unknown;
}

const REQUEST = { name: 'vol', parameters: {}, secrets: { key: 'hush' } };

/** What one call says at a level. */
function linesOf(level: string, method: string, fields: Partial<CallReport> = {}): readonly Line[] {
  const lines: string[] = [];
  const log = pino({ level, base: null }, { write: (line: string) => void lines.push(line) });
  const samples: string[] = [];
  const metrics = {
    started: (name: string) => void samples.push(`${name} started`),
    ended: (name: string, code: string) => void samples.push(`${name} ${code}`),
  };
  const hooks = createHooks(method === 'Probe' ? 'csi.v1.Identity' : 'csi.v1.Controller', log, metrics);
  hooks.onStart(method);
  const callLog = hooks.loggerFor(method, REQUEST);
  if (level === 'debug') callLog.info({}, 'on the way');
  hooks.onEnd({ method, code: 'OK', durationMs: 1.2345, request: REQUEST, log: callLog, ...fields });
  expect(samples).toEqual([`${method} started`, `${method} ${fields.code ?? 'OK'}`]);
  return lines.map((line) => JSON.parse(line) as Line);
}

describe('createHooks', () => {
  it('says one line per call at info, none for what is asked all the time', () => {
    expect(linesOf('info', 'CreateVolume')).toEqual([
      expect.objectContaining({ level: 30, msg: 'rpc', method: 'CreateVolume', name: 'vol', code: 'OK', ms: 1.23 }),
    ]);
    expect(linesOf('info', 'Probe')).toEqual([]);
  });

  it('says at debug what was asked, without its secrets, all lines of a call under one id', () => {
    const lines = linesOf('debug', 'CreateVolume');
    expect(lines.map(({ msg }) => msg)).toEqual(['on the way', 'request', 'rpc']);
    expect(new Set(lines.map(({ requestId }) => requestId)).size).toBe(1);
    expect(lines[0]?.requestId).toMatch(/^[0-9a-f]{12}$/);
    expect(JSON.stringify(lines)).not.toContain('hush');
    expect(linesOf('debug', 'Probe').map(({ msg }) => msg)).toEqual(['on the way', 'request', 'rpc']);
  });

  it('says failures of whatever is asked', () => {
    const error = new Error('broken');
    expect(linesOf('info', 'Probe', { code: 'UNAVAILABLE', error })).toEqual([
      expect.objectContaining({ level: 40, code: 'UNAVAILABLE', error: 'broken' }),
    ]);
    expect(linesOf('info', 'Probe', { code: 'INTERNAL', error })[0]).toMatchObject({ level: 50, code: 'INTERNAL' });
  });
});
