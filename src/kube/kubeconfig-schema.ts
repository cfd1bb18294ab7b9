import * as v from 'valibot';

const text = v.optional(v.string());

const ClusterSchema = v.object({
  server: v.string(),
  'tls-server-name': text,
  'insecure-skip-tls-verify': v.optional(v.boolean(), false),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'proxy-url': text,
});

const UserSchema = v.object({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  username: text,
  exec: v.optional(v.object({ command: text })),
  'auth-provider': v.optional(v.object({ name: text })),
});

const ContextSchema = v.object({ cluster: v.string(), user: v.optional(v.string(), '') });

/** kubectl writes null for an empty list. */
const list = <T extends v.GenericSchema>(entry: T) => v.optional(v.nullable(v.array(entry), []), []);

/** The file that kubectl reads (client-go, clientcmd/api/v1), as far as it is used here. */
export const KubeconfigSchema = v.object({
  'current-context': v.optional(v.string(), ''),
  clusters: list(v.object({ name: v.string(), cluster: ClusterSchema })),
  users: list(v.object({ name: v.string(), user: v.optional(v.nullable(UserSchema, {}), {}) })),
  contexts: list(v.object({ name: v.string(), context: ContextSchema })),
});

export type Kubeconfig = v.InferOutput<typeof KubeconfigSchema>;
export type KubeconfigCluster = v.InferOutput<typeof ClusterSchema>;
export type KubeconfigUser = v.InferOutput<typeof UserSchema>;
