import { describe, expect, it } from 'vitest';
import type { DeskView } from '../desk/words';
import type { LiveAgent } from '../socket/reducer';
import { busyWith, conversation, standing, watchers, watchNot } from './words';

type Work = LiveAgent['work'][number];
const work = (segment: string, state: Work['state'], watching: Work['watching'] = null) => ({ segment, interaction: 'int_1', medium: 'voice', state, watching }) as Work;
const listens = { target: 'seg_1', agent: { id: 'agt_1', name: 'A' }, mode: 'whisper' as const };
const agent = (id: string, ...w: Work[]) => ({ id, name: id, work: w });

describe('supervisors on the board', () => {
  it('are told apart from agents who talk or consult', () => {
    expect(busyWith(agent('a', work('seg_1', 'talking')))).toBe('busy');
    expect(busyWith(agent('a', work('seg_1', 'consulting')))).toBe('consulting');
    expect(busyWith(agent('s', work('seg_2', 'watching', listens)))).toBe('watching');
    expect(conversation(agent('s', work('seg_2', 'watching', listens)))).toBeUndefined();
  });
  it('stand beside the conversation they are in', () => {
    expect(watchers([agent('a', work('seg_1', 'talking')), agent('s', work('seg_2', 'watching', listens))]).get('seg_1')).toEqual([{ name: 's', mode: 'whisper' }]);
  });
  it('take part only from their own desk, in a conversation of somebody else', () => {
    const desk = { agent: { id: 's', name: 's' }, signed_in: true, device: { ready: true }, work: [] } as unknown as DeskView;
    const talking = agent('a', work('seg_1', 'talking'));
    expect(watchNot(talking, desk)).toBeNull();
    expect(watchNot(talking, null)).toBe('no_desk');
    expect(watchNot(talking, { ...desk, signed_in: false })).toBe('not_signed_in');
    expect(watchNot(talking, { ...desk, device: null })).toBe('not_ready');
    expect(watchNot(agent('s', work('seg_1', 'talking')), desk)).toBe('own');
    expect(watchNot(agent('a', work('seg_1', 'wrap_up')), desk)).toBe('no_call');
    const own = (w: object) => ({ ...desk, work: [{ medium: 'voice', state: 'talking', interaction: 'int_2', watching: null, ...w }] }) as DeskView;
    expect(watchNot(talking, own({}))).toBe('busy');
    expect(watchNot(talking, own({ interaction: 'int_1', state: 'watching', watching: listens }))).toBeNull();
  });
});

describe('where an interaction stands', () => {
  it('is with who has the customer, never with who listens', () => {
    const s = (segment: string, state: Work['state'], started_at: number, watching: Work['watching'] = null) => ({ segment, state, started_at, watching, queue: null, agent: null, state_since_at: 0, recorded: false });
    expect(standing([s('q', 'waiting', 1), s('a', 'offered', 2)])?.segment).toBe('a');
    expect(standing([s('a', 'consulting', 2), s('b', 'consulting', 5), s('w', 'watching', 6, listens)])?.segment).toBe('a');
    expect(standing([s('a', 'wrap_up', 2), s('q', 'waiting', 5)])?.segment).toBe('q');
    expect(standing([])).toBeUndefined();
  });
});
