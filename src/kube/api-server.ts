/** What a request to an API server authenticates itself with; PEM text. */
export interface Credentials {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
}

/** An API server, and how to get in. */
export interface ApiServer {
  readonly url: URL;
  /** The name that the server's certificate has to be for, where it is not the host of the URL. */
  readonly servername?: string | undefined;
  readonly isInsecure: boolean;
  /** Where this comes from, for messages. */
  readonly source: string;
  /** Asked before each request: kubelet replaces a pod's token on disk long before it expires. @throws KayalError */
  credentials(): Promise<Credentials>;
}
