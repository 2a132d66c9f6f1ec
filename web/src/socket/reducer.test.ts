import { describe, expect, it } from 'vitest';
import { backoff } from './client';
import { type Floor, type LiveAgent, type LiveQueue, nothing, reduce, type ServerMessage } from './reducer';

const queue = (id: string, waiting: number) => ({ id, waiting }) as LiveQueue;
const agent = (id: string) => ({ id }) as LiveAgent;
const totals = { calls: 1 } as never;
const snapshot: ServerMessage = {
  type: 'snapshot',
  epoch: 'e1',
  seq: 5,
  now: 0,
  desk: null,
  live: { at: 0, totals, queues: [queue('q1', 0), queue('q2', 1)], agents: [agent('a1')], interactions: [] },
};
const changes = (seq: number, c: object): ServerMessage => ({ type: 'live', seq, now: 0, changes: { totals: null, queues: [], agents: [], interactions: [], removed: [], ...c } });
const run = (...messages: ServerMessage[]): Floor => messages.reduce(reduce, nothing);

describe('the floor on the screen', () => {
  it('keeps what is known of new messages over a new snapshot', () => {
    const f = run({ type: 'voicemail', new: 2, newest_at: 7 }, snapshot);
    expect(f.mail).toEqual({ unheard: 2, newest_at: 7 });
  });
  it('is what the snapshot says, then changed rows only', () => {
    const f = run(snapshot, changes(6, { queues: [queue('q1', 3)] }));
    expect([...(f.live?.queues.values() ?? [])].map((q) => [q.id, q.waiting])).toEqual([
      ['q1', 3],
      ['q2', 1],
    ]);
    expect(f.seq).toBe(6);
  });
  it('leaves untouched lists identical, so that nothing renders in vain', () => {
    const before = run(snapshot);
    const after = reduce(before, changes(6, { queues: [queue('q1', 3)] }));
    expect(after.live?.agents).toBe(before.live?.agents);
    expect(after.live?.totals).toBe(totals);
  });
  it('takes no message twice after a resume', () => {
    const f = run(snapshot, changes(6, { queues: [queue('q1', 3)] }));
    const resumed = reduce(f, { type: 'resumed', epoch: 'e1', seq: 6, now: 0 });
    expect(reduce(resumed, changes(6, { removed: ['q1'] })).live?.queues.size).toBe(2);
    expect(reduce(resumed, changes(7, { removed: ['q1'] })).live?.queues.size).toBe(1);
  });
  it('starts afresh with a snapshot of another run', () => {
    const f = run(snapshot, changes(9, {}), { ...snapshot, epoch: 'e2', seq: 1 });
    expect([f.epoch, f.seq]).toEqual(['e2', 1]);
  });
});

describe('trying again', () => {
  it('waits longer each time, up to ten seconds, spread by a quarter', () => {
    const waits = [0, 1, 2, 3, 4, 5, 50].map((n) => backoff(n, 0.5));
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 8000]);
    expect(backoff(50, 1)).toBeLessThanOrEqual(10_000);
  });
});
