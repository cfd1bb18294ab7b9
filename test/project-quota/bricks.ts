/** The XFS mount points that runWithProjectQuota made. */
export function xfsMounts(): readonly [string, string] {
  const [first, second] = (process.env['KAYAL_TEST_BRICKS'] ?? '').split(':');
  if (first === undefined || second === undefined) throw new Error('run this through mechanism.test.ts');
  return [first, second];
}
