/** A StoragePool as its author writes it. */
export function storagePool(name: string, spec: object): object {
  return { apiVersion: 'kayal.storage/v1alpha1', kind: 'StoragePool', metadata: { name }, spec };
}
