import { differenceOf } from './pod-files.js';
import type { SeenPool } from './pool-look.js';
import type { Told } from './told.js';

/** In what a brick differs from what the clients were told: what was lost, and what leaked. A line each, none when it is right. */
export function problemsOf(seen: SeenPool, told: Told): string[] {
  return [
    ...volumeProblems(seen, told),
    ...snapshotProblems(seen, told),
    ...seen.unfinished.map((path) => `left: ${path}`),
  ];
}

function volumeProblems({ volumes }: SeenPool, told: Told): string[] {
  const lost = [...told.volumes.keys()].filter((id) => !volumes.has(id)).map((id) => `volume ${id}: lost`);
  const wrong = [...volumes.values()].flatMap(({ id, recordedBytes, limitBytes, files }) => {
    const wanted = told.volumes.get(id);
    const what = `volume ${id}: `;
    if (wanted === undefined) return [`${what}nobody has it (data: ${files !== undefined}, record: ${recordedBytes})`];
    if (files === undefined) return [`${what}has no data`];
    const difference = differenceOf(files, wanted.files);
    return [
      ...(recordedBytes === wanted.limitBytes
        ? []
        : [`${what}${recordedBytes} bytes on record, not ${wanted.limitBytes}`]),
      ...(limitBytes === wanted.limitBytes ? [] : [`${what}limited to ${limitBytes} bytes, not ${wanted.limitBytes}`]),
      ...(difference === undefined ? [] : [`${what}${difference}`]),
    ];
  });
  return [...lost, ...wrong];
}

function snapshotProblems({ snapshots }: SeenPool, told: Told): string[] {
  const lost = [...told.snapshots.keys()].filter((id) => !snapshots.has(id)).map((id) => `snapshot ${id}: lost`);
  const wrong = [...snapshots.values()].flatMap(({ id, usedBytes, files }) => {
    const wanted = told.snapshots.get(id);
    const what = `snapshot ${id}: `;
    if (wanted === undefined) return [`${what}nobody has it (data: ${files !== undefined}, record: ${usedBytes})`];
    if (files === undefined || usedBytes === undefined)
      return [`${what}has no ${files === undefined ? 'data' : 'record'}`];
    const difference = differenceOf(files, wanted.files);
    return difference === undefined ? [] : [`${what}${difference}`];
  });
  return [...lost, ...wrong];
}
