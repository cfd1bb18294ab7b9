import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { isSecretField, redact } from './redact.js';
import { schemaRoot } from './schema.js';

describe('redact', () => {
  it('knows every csi_secret field of CSI 1.12', () => {
    const messages = schemaRoot.lookup('csi.v1') as protobuf.Namespace;
    const secret = messages.nestedArray.flatMap((type) =>
      type instanceof protobuf.Type ? type.fieldsArray.filter(isSecretField) : [],
    );
    expect(secret.length).toBe(19);
  });

  it('replaces secrets and service-account tokens, and keeps the rest', () => {
    const type = schemaRoot.lookupType('csi.v1.NodePublishVolumeRequest');
    const redacted = redact(type, {
      volume_id: 'pool/a',
      secrets: { password: 'hunter2' },
      volume_context: { pool: 'pool', 'csi.storage.k8s.io/serviceAccount.tokens': '{"aud":{"token":"eyJ"}}' },
    });
    expect(redacted).toEqual({
      volume_id: 'pool/a',
      secrets: '***stripped***',
      volume_context: { pool: 'pool', 'csi.storage.k8s.io/serviceAccount.tokens': '***stripped***' },
    });
  });
});
