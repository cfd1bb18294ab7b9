import type { Session } from './session.js';

const allocations = new WeakMap<Session, { readonly ids: Set<number>; last: Promise<unknown> }>();

/**
 * A project id for a new volume; undefined where the mechanism has none. One at a time, as two at once would both find the
 * same id free; an id handed out stays taken for the session.
 */
export async function allocateProjectId(session: Session): Promise<number | undefined> {
  if (session.mechanism.name !== 'project') return undefined;
  let state = allocations.get(session);
  if (state === undefined) {
    state = { ids: session.catalog.projectIds(), last: Promise.resolve() };
    allocations.set(session, state);
  }
  const { ids } = state;
  const mine = state.last.then(async () => {
    const id = await session.mechanism.allocate(ids);
    if (id !== undefined) ids.add(id);
    return id;
  });
  state.last = mine.catch(() => undefined);
  return mine;
}
