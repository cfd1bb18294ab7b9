// Writes numbered lines to a file, each to stable storage, until SIGTERM: node steady-writer.mjs FILE REPORT
// An error is counted, and the same line tried again. The report is JSON: { acknowledged, errors: { CODE: n }, longestMs }.
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';

const PAUSE_MS = 20;
const [file, report] = process.argv.slice(2);
const errors = {};
let acknowledged = 0;
let longestMs = 0;
let descriptor;
const ending = new AbortController();
process.on('SIGTERM', () => ending.abort());

const saveReport = () => {
  writeFileSync(`${report}.new`, JSON.stringify({ acknowledged, errors, longestMs: Math.round(longestMs) }));
  renameSync(`${report}.new`, report);
};

const closeQuietly = () => {
  try {
    if (descriptor !== undefined) closeSync(descriptor);
  } catch {
    // What was not acknowledged may be lost.
  }
  descriptor = undefined;
};

const writeOne = () => {
  const began = performance.now();
  try {
    descriptor ??= openSync(file, 'a');
    writeSync(descriptor, `${acknowledged + 1}\n`);
    fsyncSync(descriptor);
    acknowledged++;
  } catch ({ code }) {
    errors[code] = (errors[code] ?? 0) + 1;
    closeQuietly();
  }
  longestMs = Math.max(longestMs, performance.now() - began);
};

while (!ending.signal.aborted) {
  writeOne();
  saveReport();
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
closeQuietly();
saveReport();
