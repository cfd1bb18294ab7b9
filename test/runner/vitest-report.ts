import * as v from 'valibot';
import type { Counts } from './summary.js';

/** What is used of vitest's JSON report (jest's format). */
const reportSchema = v.object({
  numPassedTests: v.number(),
  numFailedTests: v.number(),
  numPendingTests: v.number(),
  numTodoTests: v.number(),
  testResults: v.array(v.object({ status: v.string(), assertionResults: v.array(v.object({ status: v.string() })) })),
});

/** A test file that failed before its tests ran (an import, a hook) counts as one failed test. */
export function countsOfVitestReport(json: string): Counts {
  const report = v.parse(reportSchema, JSON.parse(json));
  const failedFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + failedFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
