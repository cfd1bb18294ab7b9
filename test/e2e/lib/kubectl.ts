import * as v from 'valibot';
import { runCommand, type CommandResult } from '../../lib/run-command.js';

/** An object of the API, as it is given to `kubectl apply`. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

const itemsSchema = v.looseObject({ items: v.array(v.unknown()) });

const eventSchema = v.looseObject({
  type: v.string(),
  reason: v.string(),
  message: v.optional(v.string(), ''),
  involvedObject: v.looseObject({ kind: v.string(), name: v.optional(v.string(), '') }),
});
export type Event = v.InferOutput<typeof eventSchema>;

const WAIT_MS = 180_000;

/** kubectl as one user, in one namespace unless an object says another. */
export class Kubectl {
  readonly #program: string;
  readonly #kubeconfig: string;
  readonly namespace: string;

  constructor(program: string, kubeconfig: string, namespace = 'default') {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
    this.namespace = namespace;
  }

  in(namespace: string): Kubectl {
    return new Kubectl(this.#program, this.#kubeconfig, namespace);
  }

  as(kubeconfig: string): Kubectl {
    return new Kubectl(this.#program, kubeconfig, this.namespace);
  }

  run(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<CommandResult> {
    const flags = [`--kubeconfig=${this.#kubeconfig}`, `--namespace=${this.namespace}`];
    return runCommand(this.#program, [...flags, ...args], { timeoutMs: 120_000, ...options });
  }

  /** @throws Error with what kubectl said */
  async do(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code === 0) return stdout;
    throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || stdout.trim() || 'did not end in time'}`);
  }

  /** Server-side, as some CRDs are too large for the annotation of the other way. */
  async apply(...objects: readonly Manifest[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    const flags = ['--server-side', '--force-conflicts', '--filename=-'];
    await this.do(['apply', ...flags], { input: JSON.stringify(list) });
  }

  /** @param what `pvc/name`, or `/apis/…` for a raw path */
  async get<const Schema extends v.GenericSchema>(schema: Schema, what: string): Promise<v.InferOutput<Schema>> {
    const args = what.startsWith('/') ? ['get', '--raw', what] : ['get', what, '--output=json'];
    return v.parse(schema, JSON.parse(await this.do(args)));
  }

  async list<const Schema extends v.GenericSchema>(
    schema: Schema,
    ...args: readonly string[]
  ): Promise<readonly v.InferOutput<Schema>[]> {
    const text = await this.do(['get', ...args, '--output=json']);
    return v.parse(itemsSchema, JSON.parse(text)).items.map((item) => v.parse(schema, item));
  }

  /** @param what as `kubectl wait` takes it: `pod/name`; `condition`: its --for */
  async wait(what: string, condition: string, timeoutMs = WAIT_MS): Promise<void> {
    const args = ['wait', what, `--for=${condition}`, `--timeout=${Math.ceil(timeoutMs / 1_000)}s`];
    const { code, stderr } = await this.run(args, { timeoutMs: timeoutMs + 30_000 });
    if (code === 0) return;
    const described = await this.run(['describe', what]);
    throw new Error(`${what} in vain for ${condition}: ${stderr.trim()}\n${described.stdout.trim()}`);
  }

  /** Deletes, and waits until it is gone. */
  async delete(...what: readonly string[]): Promise<void> {
    const wait = `--timeout=${WAIT_MS / 1_000}s`;
    await this.do(['delete', ...what, '--ignore-not-found', wait], { timeoutMs: WAIT_MS + 30_000 });
  }

  /** Runs a shell script in the first container of a pod. */
  sh(pod: string, script: string, timeoutMs = 120_000): Promise<CommandResult> {
    return this.run(['exec', pod, '--', 'sh', '-c', script], { timeoutMs });
  }

  /** @returns what the script printed, trimmed. @throws Error when it fails */
  async mustSh(pod: string, script: string, timeoutMs = 120_000): Promise<string> {
    const { code, stdout, stderr } = await this.sh(pod, script, timeoutMs);
    if (code === 0) return stdout.trim();
    throw new Error(`${script} in pod ${pod} ended with ${code ?? 'a signal'}: ${stderr.trim()} ${stdout.trim()}`);
  }

  async events(): Promise<readonly Event[]> {
    return this.list(eventSchema, 'events');
  }
}
