/**
 * Ends the process at once. process.exit() waits for every worker thread, also for one that hangs in a system call on a dead
 * mount, and then never ends; _exit(2) does not. Whatever is to be written must have been written before.
 */
export async function exitNow(status: number): Promise<never> {
  const libc = await import('./libc.js');
  libc.exit(status);
  throw new Error('_exit(2) came back');
}
