-- Projections that cost a call fewer rows: a segment carries its states, the timeline stands in the journal's words and in
-- pieces of many events, and what is found by an interaction or a tenant needs no index by floor. The rows are folds of the
-- journal: they are made anew from its first event.
DELETE FROM projector_offsets;
DROP TABLE segment_spans;
DROP TABLE timeline;
DELETE FROM interactions;
DELETE FROM segments;
DELETE FROM legs;
DELETE FROM offers;
DELETE FROM agent_spans;
DELETE FROM recordings;
DELETE FROM intervals;

-- JSON: the states in their order; they tile the segment.
ALTER TABLE segments ADD COLUMN spans TEXT NOT NULL DEFAULT '[]';

-- What happened to an interaction, for its page: a JSON array of journal events, in order, from first_seq.
CREATE TABLE timeline (
  tenant_id TEXT NOT NULL,
  floor_id TEXT NOT NULL,
  interaction_id TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  events TEXT NOT NULL,
  PRIMARY KEY (interaction_id, first_seq)
);

DROP INDEX interactions_by_floor;
DROP INDEX segments_by_floor;
DROP INDEX legs_by_floor;
DROP INDEX agent_spans_open;
