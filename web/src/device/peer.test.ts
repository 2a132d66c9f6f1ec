import { expect, it } from 'vitest';
import { preferred, waysOf } from './peer';

it('offers G.711 before Opus and keeps everything else', () => {
  const names = ['audio/opus', 'audio/red', 'audio/G722', 'audio/PCMU', 'audio/PCMA', 'audio/telephone-event'];
  expect(preferred(names.map((mimeType) => ({ mimeType }))).map((c) => c.mimeType)).toEqual([
    'audio/PCMU',
    'audio/PCMA',
    'audio/G722',
    'audio/opus',
    'audio/red',
    'audio/telephone-event',
  ]);
});

it('gives the browser an account only where there is one: it would take null for a name', () => {
  const account = { urls: ['turn:relay.example'], username: 'u', credential: 'c' };
  const open = { urls: ['stun:relay.example'], username: null, credential: null };
  expect(waysOf({ servers: [account, open], relay_only: true })).toEqual({ servers: [account, { urls: open.urls }], relayOnly: true });
});
