// What the server's messages make of the screen's state. Pure: tests and replays need no socket.
import type { Schemas } from '../api/client';

export type ServerMessage = Schemas['ServerMessage'];
export type DeskView = Schemas['DeskView'];
export type LiveQueue = Schemas['LiveQueue'];
export type LiveAgent = Schemas['LiveAgent'];
export type LiveInteraction = Schemas['LiveInteraction'];
export type LiveTotals = Schemas['LiveTotals'];

export interface Live {
  totals: LiveTotals;
  queues: ReadonlyMap<string, LiveQueue>;
  agents: ReadonlyMap<string, LiveAgent>;
  interactions: ReadonlyMap<string, LiveInteraction>;
}

export interface Floor {
  /** The server's run this `seq` belongs to; both go into the next `hello`. */
  epoch: string | null;
  seq: number;
  desk: DeskView | null;
  /** How the agent's conversations sound. */
  quality: readonly Schemas['CallQuality'][];
  live: Live | null;
  mail: Mail | null;
}

/** New messages of which this person is told. */
export interface Mail {
  unheard: number;
  newest_at: number | null;
}

export const nothing: Floor = { epoch: null, seq: 0, desk: null, quality: [], live: null, mail: null };

const byId = <T extends { id: string }>(list: readonly T[]): Map<string, T> => new Map(list.map((x) => [x.id, x]));

/** Same map if nothing changed, so that lists which did not change do not render again. */
function merged<T extends { id: string }>(old: ReadonlyMap<string, T>, changed: readonly T[], removed: readonly string[]): ReadonlyMap<string, T> {
  const gone = removed.filter((id) => old.has(id));
  if (changed.length === 0 && gone.length === 0) return old;
  const next = new Map(old);
  for (const row of changed) next.set(row.id, row);
  for (const id of gone) next.delete(id);
  return next;
}

export function reduce(state: Floor, message: ServerMessage): Floor {
  switch (message.type) {
    case 'snapshot': {
      const live = message.live;
      return {
        epoch: message.epoch,
        seq: message.seq,
        desk: message.desk ?? null,
        quality: [],
        live: live
          ? { totals: live.totals, queues: byId(live.queues), agents: byId(live.agents), interactions: byId(live.interactions) }
          : null,
        mail: state.mail,
      };
    }
    case 'resumed':
      // What it was told before is told again when it changes.
      return { ...state, epoch: message.epoch, quality: [] };
    case 'desk':
      // `seq` counts the board's messages; the desk comes whole each time, so the latest is right.
      return { ...state, desk: message.desk };
    case 'quality':
      return { ...state, quality: message.calls };
    case 'voicemail':
      return { ...state, mail: { unheard: message.new, newest_at: message.newest_at ?? null } };
    case 'live': {
      if (message.seq <= state.seq) return state; // replayed after a resume: known already
      const c = message.changes;
      const live = state.live;
      if (!live) return { ...state, seq: message.seq };
      return {
        ...state,
        seq: message.seq,
        live: {
          totals: c.totals ?? live.totals,
          queues: merged(live.queues, c.queues, c.removed),
          agents: merged(live.agents, c.agents, c.removed),
          interactions: merged(live.interactions, c.interactions, c.removed),
        },
      };
    }
    default:
      return state;
  }
}
