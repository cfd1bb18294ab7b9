// The floor of an RPC, and of a process that answers RPCs: grpc-js, a Probe that is always the same bytes, nothing else.
import { Server, ServerCredentials } from '@grpc/grpc-js';

const [path] = process.argv.slice(2);
/** ProbeResponse { ready: { value: true } } */
const READY = Buffer.from([0x0a, 0x02, 0x08, 0x01]);
const bytes = (value) => value;
const server = new Server();
server.addService(
  {
    Probe: {
      path: '/csi.v1.Identity/Probe',
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  },
  { Probe: (_call, callback) => callback(null, READY) },
);
server.bindAsync(`unix://${path}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
process.once('SIGTERM', () => server.forceShutdown());
