import { describe, expect, it } from 'vitest';
import { servingFirst } from './server-order.js';

describe('servingFirst', () => {
  it('keeps a single host, whatever it does', async () => {
    expect(await servingFirst(['127.0.0.254'], 'v')).toEqual(['127.0.0.254']);
  });

  it('keeps every host, those that do not answer too, in their order', async () => {
    expect(await servingFirst(['127.0.0.254', '127.0.0.253'], 'v')).toEqual(['127.0.0.254', '127.0.0.253']);
  });
});
