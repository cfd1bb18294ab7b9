import type protobuf from 'protobufjs';

const STRIPPED = '***stripped***';
/** Not csi_secret in the schema, yet they hold bearer tokens (CVE-2024-3744, CVE-2023-2878). */
const SECRET_KEYS = ['csi.storage.k8s.io/serviceAccount.tokens'];

/** True for fields that the schema marks `(csi_secret) = true`. */
export function isSecretField(field: protobuf.Field): boolean {
  const options: Readonly<Record<string, unknown>> = field.options ?? {};
  return options['(csi_secret)'] === true;
}

function redactMap(map: object): object {
  return Object.fromEntries(
    Object.entries(map).map(([key, value]) => [key, SECRET_KEYS.includes(key) ? STRIPPED : (value as unknown)]),
  );
}

/** A copy of a message for logs: every csi_secret field and every service-account token is replaced. */
export function redact(type: protobuf.Type, message: object): object {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message) as [string, unknown][]) {
    const field = type.fields[name];
    if (field === undefined) copy[name] = value;
    else if (isSecretField(field)) copy[name] = STRIPPED;
    else if (field.map && typeof value === 'object' && value !== null) copy[name] = redactMap(value);
    else copy[name] = redactValue(field, value);
  }
  return copy;
}

function redactValue(field: protobuf.Field, value: unknown): unknown {
  const nested = field.resolvedType;
  if (nested === null || !('fields' in nested) || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as object[]).map((item) => redact(nested, item));
  return redact(nested, value);
}
