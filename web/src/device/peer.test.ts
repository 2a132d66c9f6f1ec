import { expect, it } from 'vitest';
import { preferred } from './peer';

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
