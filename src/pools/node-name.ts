/** CSI allows a node id of 256 bytes (NodeGetInfo); Kubernetes' node names are DNS names of at most 253. */
const NODE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

/** True for what may be a node's name: the `--node-id` of Kayal there, and the `node` of a directory pool. */
export function isNodeName(name: string): boolean {
  return NODE_NAME.test(name);
}
