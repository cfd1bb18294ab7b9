import { describe, expect, it } from 'vitest';
import { reasonInLog } from './log-tail.js';

const at = '[2026-11-21 09:03:46.169633 +0000]';

describe('reasonInLog', () => {
  it.each([
    [
      'E [fuse-bridge.c:6420:fuse_setvolume] 0-p-client-0: server authentication failed. Shutting down',
      'the servers refused its credentials',
    ],
    [
      "E [glusterfsd-mgmt.c:2170:mgmt_getspec_cbk] 0-glusterfs: failed to get the 'volume file' from server",
      'the servers have no such volume',
    ],
    [
      'E [name.c:267:af_inet_client_get_remote_sockaddr] 0-glusterfs: DNS resolution failed on host no.such',
      'the name no.such cannot be resolved',
    ],
    [
      'E [socket.c:938:__socket_server_bind] 0-tcp.x-server: binding to  failed: Address already in use',
      'its port is taken by another program',
    ],
    [
      'E [socket.c:4405:ssl_setup_connection_params] 0-glusterfs: could not load our cert at /etc/ssl/glusterfs.pem',
      'TLS: its client cannot load /etc/ssl/glusterfs.pem',
    ],
    [
      'E [socket.c:224:ssl_dump_error_stack] 0-p-client-0:   error:0A000086:SSL routines::certificate verify failed',
      'TLS: the servers show no certificate of the authorities in ca that is valid now',
    ],
    [
      'E [socket.c:224:ssl_dump_error_stack] 0-p-client-0:   error:0A000410:SSL routines::sslv3 alert handshake failure',
      'TLS: the servers refused the connection (handshake failure)',
    ],
    ['E [MSGID: 113071] [posix-common.c:1:posix_init] 0-p-posix: something else', 'something else'],
  ])('reads %s', (line, reason) => {
    expect(reasonInLog(`${at} I [a.c:1:b] 0-p: fine\n${at} ${line}\n`)).toBe(reason);
  });

  it('never shows the volfile that the log holds, nor warnings', () => {
    const log = [
      'Final graph:',
      '  4:     option password hunter2',
      '+---+',
      `${at} W [a.c:1:b] 0-p: readv failed`,
    ].join('\n');
    expect(reasonInLog(log)).toBeUndefined();
  });
});
