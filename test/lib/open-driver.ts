import { Driver, type DriverOptions } from './driver.js';
import type { PoolKeys } from './pool-configs.js';
import { retried } from './requests.js';

export interface OpenDriverOptions extends DriverOptions {
  readonly pools: readonly PoolKeys[];
}

/** Starts a driver and waits until it manages all of its pools. @throws Error as Driver.start, and what a pool says */
export async function startOpen(options: OpenDriverOptions): Promise<Driver> {
  const driver = await Driver.start(options);
  try {
    for (const { name } of options.pools) await availableBytes(driver, name);
    return driver;
  } catch (error) {
    await driver.stop();
    throw error;
  }
}

/** What GetCapacity says of a pool; waits until the pool is open. */
export async function availableBytes(
  driver: Pick<Driver, 'client'> & { readonly isRunning?: boolean },
  pool: string,
): Promise<number> {
  const { available_capacity: bytes } = await retried(() => {
    if (driver.isRunning === false) throw new Error('the driver has ended');
    return driver.client.controller.GetCapacity({ parameters: { pool } });
  });
  return Number(bytes);
}
