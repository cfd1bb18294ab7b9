import { describe, expect, it } from 'vitest';
import { formatDuration, formatSummary } from './summary.js';
import { countsOfVitestReport } from './vitest-report.js';

describe('formatSummary', () => {
  it('ends with what all parts come to', () => {
    const text = formatSummary([
      { name: 'unit', passed: 120, failed: 1, skipped: 0, durationMs: 61_000 },
      { name: 'project-quota', passed: 3, failed: 0, skipped: 2, durationMs: 950 },
    ]);
    expect(text.split('\n')).toEqual([
      'part           passed  failed  skipped        time',
      'unit              120       1        0  1 min 01 s',
      'project-quota       3       0        2       0.9 s',
      '',
      '123 passed, 1 failed',
      '',
    ]);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0.0 s'],
    [59_940, '59.9 s'],
    [125_900, '2 min 05 s'],
  ])('%d ms', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('countsOfVitestReport', () => {
  it('counts a file that failed before its first test', () => {
    const report = {
      numPassedTests: 4,
      numFailedTests: 1,
      numPendingTests: 1,
      numTodoTests: 1,
      testResults: [
        { status: 'failed', assertionResults: [{ status: 'failed' }, { status: 'passed' }] },
        { status: 'failed', assertionResults: [] },
        { status: 'passed', assertionResults: [{ status: 'passed' }] },
      ],
    };
    expect(countsOfVitestReport(JSON.stringify(report))).toEqual({ passed: 4, failed: 2, skipped: 2 });
  });
});
