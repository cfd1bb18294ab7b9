import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where what takes minutes to build is kept from run to run. */
export const CACHE: string = process.env['KAYAL_TEST_CACHE'] ?? join(homedir(), '.cache', 'kayal-test');
