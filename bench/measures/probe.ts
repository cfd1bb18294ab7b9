import { join } from 'node:path';
import { Echo } from '../floor/echo.js';
import { figureOf, type Bar } from '../figure.js';
import type { CsiSocket } from '../load/csi-socket.js';
import { inFlight } from '../load/in-flight.js';
import { p50, type Sample } from '../sample.js';
import { IMAGE_ENVIRONMENT, Stage } from '../stage/stage.js';
import { inRounds, numbered, type OwnMeasure } from './measure.js';

const IN_FLIGHT = [1, 16, 64] as const;
const BAR: Bar = { kind: 'at most', times: 1.2 };

function probes(socket: CsiSocket, count: number, most: number): Promise<Sample> {
  return inFlight(numbered('', count), most, () => socket.once('Identity', 'Probe', {}));
}

export const probe: OwnMeasure = {
  name: 'probe',
  title: 'RPC overhead: Probe',
  run: async (bench) => {
    const stage = await Stage.start({ base: bench.directory, pool: 'directory' });
    const echo = await Echo.start(join(stage.directory, 'echo.sock'), IMAGE_ENVIRONMENT);
    const { plan, peers } = bench;
    const subjects = [stage.load, ...peers];
    try {
      // What a process does in its first thousand calls is mostly compiling.
      for (const { socket } of [echo, ...subjects]) await probes(socket, plan.probes, 16);
      const rounds = await inRounds(plan.rounds, async () => {
        const samples = [];
        for (const most of IN_FLIGHT) {
          const floor = await probes(echo.socket, plan.probes, most);
          for (const { name, socket } of subjects) {
            samples.push({ most, name, floor: p50(floor), value: p50(await probes(socket, plan.probes, most)) });
          }
        }
        return samples;
      });
      return subjects.flatMap(({ name }) =>
        IN_FLIGHT.map((most) => {
          const pairs = rounds.flat().filter((sample) => sample.name === name && sample.most === most);
          const what = `Probe p50, ${most} in flight`;
          return figureOf(
            { measure: 'probe', pool: '', subject: name, what, against: 'grpc-js echo', unit: 'ms' },
            pairs,
            BAR,
          );
        }),
      );
    } finally {
      await echo.stop();
      await stage.stop();
    }
  },
};
