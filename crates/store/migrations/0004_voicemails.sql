-- Messages that callers left: a fold of the journal, one row for each recording that was made as a message. Known by the
-- recording's id. state: recording, new, heard, handled, discarded, deleted. call_id: the last call that answered it.

CREATE TABLE voicemails (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL PRIMARY KEY,
  floor_id TEXT NOT NULL,
  sample BIGINT NOT NULL,
  interaction_id TEXT NOT NULL,
  queue_id TEXT,
  number_id TEXT,
  address_id TEXT,
  left_at BIGINT NOT NULL,
  length_ms BIGINT NOT NULL,
  state TEXT NOT NULL,
  state_at BIGINT NOT NULL,
  user_id TEXT,
  call_id TEXT
);
CREATE INDEX voicemails_by_time ON voicemails (tenant_id, left_at, id);
CREATE INDEX voicemails_by_state ON voicemails (tenant_id, state, queue_id);
CREATE INDEX voicemails_by_interaction ON voicemails (interaction_id);
