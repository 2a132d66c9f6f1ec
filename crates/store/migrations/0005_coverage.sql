-- What became of every talked millisecond (R10): a fold of the journal, one row for each conversation. talk_ms is the sum
-- of those from recorded_ms to erased_ms; of recorded_ms, unstored_ms are not in the store (yet).
CREATE TABLE coverage (
  tenant_id TEXT NOT NULL,
  segment_id TEXT NOT NULL PRIMARY KEY,
  floor_id TEXT NOT NULL,
  sample BIGINT NOT NULL,
  interaction_id TEXT NOT NULL,
  agent_id TEXT,
  queue_id TEXT,
  from_at BIGINT NOT NULL,
  talk_ms BIGINT NOT NULL,
  recorded_ms BIGINT NOT NULL,
  masked_ms BIGINT NOT NULL,
  ruled_out_ms BIGINT NOT NULL,
  not_asked_ms BIGINT NOT NULL,
  lost_ms BIGINT NOT NULL,
  crash_ms BIGINT NOT NULL,
  erased_ms BIGINT NOT NULL,
  unstored_ms BIGINT NOT NULL
);
CREATE INDEX coverage_by_time ON coverage (tenant_id, from_at);
CREATE INDEX coverage_by_interaction ON coverage (interaction_id);

-- The journal is folded anew from its first event, so that the days before are told of too.
DELETE FROM projector_offsets;
DELETE FROM interactions;
DELETE FROM segments;
DELETE FROM legs;
DELETE FROM offers;
DELETE FROM agent_spans;
DELETE FROM recordings;
DELETE FROM voicemails;
DELETE FROM intervals;
DELETE FROM timeline;
