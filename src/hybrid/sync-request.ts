/*
 * How the controller asks the node that writes a volume to bring everything into the pool now, before the volume is copied: by a
 * file in the volume's directory, which the node answers by another one.
 */
import type { Tree } from '../linux/tree.js';

const ASKED = 'sync-asked';
const DONE = 'sync-done';
const MAX_BYTES = 64;

async function readNumber(tree: Tree, path: string): Promise<number> {
  const data = await tree.readFile(path, MAX_BYTES);
  const number = Number(data?.toString('latin1').trim() ?? 0);
  return Number.isSafeInteger(number) ? number : 0;
}

async function writeNumber(tree: Tree, directory: string, name: string, number: number): Promise<void> {
  await tree.replaceFile(`${directory}/.${name}.new`, `${directory}/${name}`, Buffer.from(`${number}\n`));
}

/** @param number higher than that of any former request: the controller's time */
export async function askForSync(tree: Tree, directory: string, number: number): Promise<void> {
  await writeNumber(tree, directory, ASKED, number);
}

/** The highest number of a request; 0: nobody ever asked. */
export async function askedSync(tree: Tree, directory: string): Promise<number> {
  return readNumber(tree, `${directory}/${ASKED}`);
}

/** Says that all that was written before the request is in the pool. */
export async function answerSync(tree: Tree, directory: string, number: number): Promise<void> {
  await writeNumber(tree, directory, DONE, number);
}

export async function isSyncDone(tree: Tree, directory: string, number: number): Promise<boolean> {
  return (await readNumber(tree, `${directory}/${DONE}`)) >= number;
}
