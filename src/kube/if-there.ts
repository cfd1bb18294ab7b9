import { KayalError } from '../base/errors.js';

/** @returns undefined for what the API server does not have */
export async function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KayalError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
