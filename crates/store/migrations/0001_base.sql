-- The base of the data model. One text for SQLite and PostgreSQL: BIGINT (times in UTC milliseconds, flags 0/1), TEXT
-- (ids, codes, JSON never queried inside), BLOB, DOUBLE PRECISION. `migrate.rs` turns BLOB into BYTEA and gives TEXT
-- the byte-wise collation on PostgreSQL. Every row of a tenant carries tenant_id; classes that hold customer data carry
-- retain_until (NULL: the tenant's retention applies at deletion time) and legal_hold.

CREATE TABLE counters (
  name TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('floor_no', 0);

-- People and tenants ---------------------------------------------------------------------------------------------

CREATE TABLE hosts (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE tenants (
  id TEXT NOT NULL PRIMARY KEY,
  host_id TEXT NOT NULL REFERENCES hosts (id),
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  sip_domain TEXT UNIQUE,
  entitlements TEXT NOT NULL,
  last_rev BIGINT NOT NULL,
  published_rev BIGINT NOT NULL,
  is_default BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  suspended_at BIGINT
);

CREATE TABLE logins (
  id TEXT NOT NULL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  password_hash TEXT,
  mfa_sealed BLOB,
  sso_subject TEXT UNIQUE,
  failed_count BIGINT NOT NULL,
  failed_at BIGINT,
  locked_until BIGINT,
  created_at BIGINT NOT NULL
);

CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  login_id TEXT NOT NULL REFERENCES logins (id),
  name TEXT NOT NULL,
  lang TEXT NOT NULL,
  time_zone TEXT,
  active BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (tenant_id, login_id)
);
CREATE INDEX users_by_name ON users (tenant_id, name, id);
CREATE INDEX users_by_login ON users (login_id);

CREATE TABLE team_members (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  team_id TEXT NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id),
  PRIMARY KEY (tenant_id, team_id, user_id)
);
CREATE INDEX team_members_by_user ON team_members (user_id);

-- role and scope are codes of domain::access; scope_id is the team or queue.
CREATE TABLE grants (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  user_id TEXT NOT NULL REFERENCES users (id),
  role TEXT NOT NULL,
  scope TEXT NOT NULL,
  scope_id TEXT,
  created_at BIGINT NOT NULL
);
CREATE INDEX grants_by_user ON grants (tenant_id, user_id);

-- Secrets are kept as SHA-256 of 256 random bits.
CREATE TABLE sessions (
  id TEXT NOT NULL PRIMARY KEY,
  secret_hash TEXT NOT NULL UNIQUE,
  login_id TEXT NOT NULL REFERENCES logins (id),
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  user_id TEXT NOT NULL REFERENCES users (id),
  csrf TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE api_tokens (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  user_id TEXT NOT NULL REFERENCES users (id),
  name TEXT NOT NULL,
  secret_hash TEXT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  revoked_at BIGINT
);
CREATE INDEX api_tokens_by_tenant ON api_tokens (tenant_id, id);

CREATE TABLE one_time_links (
  secret_hash TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  user_id TEXT NOT NULL REFERENCES users (id),
  purpose TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);

CREATE TABLE idempotency_keys (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  idem_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  status BIGINT,
  body TEXT,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, idem_key)
);
CREATE INDEX idempotency_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE audit (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  user_id TEXT,
  author TEXT NOT NULL,
  action TEXT NOT NULL,
  object_id TEXT,
  rev BIGINT,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);

-- Configuration --------------------------------------------------------------------------------------------------

-- changes: JSON array of what the revision put and deleted; drafts are applied when they are published.
CREATE TABLE config_revisions (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  number BIGINT NOT NULL,
  state TEXT NOT NULL,
  user_id TEXT,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  changes TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  published_at BIGINT,
  PRIMARY KEY (tenant_id, number)
);

-- One table for every class of configuration object (agent, team, skill, queue, calendar, flow, number, device,
-- disposition, break_reason, prompt, trunk, settings). body is the domain value as JSON; name and natural_key are the
-- columns that need order and uniqueness; deleted objects keep their row, so that reports still know their names.
CREATE TABLE config_items (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  class TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  search TEXT NOT NULL,
  natural_key TEXT,
  body TEXT NOT NULL,
  rev BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted_at BIGINT,
  PRIMARY KEY (class, id)
);
CREATE INDEX config_items_by_name ON config_items (tenant_id, class, name, id);
CREATE UNIQUE INDEX config_items_key ON config_items (tenant_id, class, natural_key);

-- Which object names which other: agent → skill, queue → agent, skill, disposition, calendar, …
CREATE TABLE config_refs (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  class TEXT NOT NULL,
  id TEXT NOT NULL,
  to_class TEXT NOT NULL,
  to_id TEXT NOT NULL,
  PRIMARY KEY (class, id, to_class, to_id)
);
CREATE INDEX config_refs_back ON config_refs (tenant_id, to_class, to_id);

CREATE TABLE flow_versions (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  flow_id TEXT NOT NULL,
  version BIGINT NOT NULL,
  body TEXT NOT NULL,
  rev BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (flow_id, version)
);

-- (sip_user, realm) is unique in the installation; HA1s are sealed with the tenant's key.
CREATE TABLE device_secrets (
  sip_user TEXT NOT NULL,
  realm TEXT NOT NULL,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  device_id TEXT NOT NULL,
  sealed_ha1 BLOB NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (sip_user, realm)
);
CREATE UNIQUE INDEX device_secrets_by_device ON device_secrets (device_id);

-- Floors and the journal -----------------------------------------------------------------------------------------

CREATE TABLE floors (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  floor_no BIGINT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX floors_by_tenant ON floors (tenant_id, kind);

-- last_seq lives beside the epoch, so that one UPDATE checks fence and contiguity.
CREATE TABLE floor_leases (
  floor_id TEXT NOT NULL PRIMARY KEY REFERENCES floors (id),
  owner TEXT,
  epoch BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  heartbeat_at BIGINT NOT NULL
);

CREATE TABLE journal (
  floor_id TEXT NOT NULL REFERENCES floors (id),
  first_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  codec BIGINT NOT NULL,
  bytes BLOB NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (floor_id, first_seq)
);

CREATE TABLE snapshots (
  floor_id TEXT NOT NULL REFERENCES floors (id),
  seq BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  codec BIGINT NOT NULL,
  bytes BLOB NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (floor_id, seq)
);

-- Projections: written by engine::projector only, reproduced by a replay -------------------------------------------

CREATE TABLE projector_offsets (
  floor_id TEXT NOT NULL PRIMARY KEY REFERENCES floors (id),
  last_seq BIGINT NOT NULL,
  fold TEXT,
  updated_at BIGINT NOT NULL
);

CREATE TABLE interactions (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL PRIMARY KEY,
  floor_id TEXT NOT NULL,
  sample BIGINT NOT NULL,
  medium TEXT NOT NULL,
  direction TEXT NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT,
  number_id TEXT,
  address_id TEXT,
  address_key TEXT,
  contact_id TEXT,
  trunk_id TEXT,
  flow_id TEXT,
  flow_version BIGINT,
  queue_id TEXT,
  agent_id TEXT,
  disposition_id TEXT,
  note_id TEXT,
  lang TEXT,
  priority BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  queued_at BIGINT,
  answered_at BIGINT,
  ended_at BIGINT,
  end_cause TEXT,
  ended_by TEXT,
  wait_ms BIGINT NOT NULL,
  talk_ms BIGINT NOT NULL,
  hold_ms BIGINT NOT NULL,
  wrap_ms BIGINT NOT NULL,
  recorded BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  extra TEXT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL
);
CREATE INDEX interactions_by_start ON interactions (tenant_id, started_at, id);
CREATE INDEX interactions_by_address ON interactions (tenant_id, address_key, started_at);
CREATE INDEX interactions_by_floor ON interactions (floor_id, state);

CREATE TABLE segments (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL PRIMARY KEY,
  floor_id TEXT NOT NULL,
  sample BIGINT NOT NULL,
  interaction_id TEXT NOT NULL,
  ordinal BIGINT NOT NULL,
  kind TEXT NOT NULL,
  medium TEXT NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT,
  queue_id TEXT,
  agent_id TEXT,
  flow_id TEXT,
  started_at BIGINT NOT NULL,
  answered_at BIGINT,
  ended_at BIGINT,
  wrap_ended_at BIGINT,
  wait_ms BIGINT NOT NULL,
  ring_ms BIGINT NOT NULL,
  talk_ms BIGINT NOT NULL,
  hold_ms BIGINT NOT NULL,
  wrap_ms BIGINT NOT NULL,
  in_service_level BIGINT,
  arrival_interval BIGINT NOT NULL,
  event_interval BIGINT,
  disposition_id TEXT,
  note_id TEXT,
  extra TEXT NOT NULL
);
CREATE INDEX segments_by_interaction ON segments (interaction_id, ordinal);
CREATE INDEX segments_by_start ON segments (tenant_id, started_at, id);
CREATE INDEX segments_by_floor ON segments (floor_id, state);

CREATE TABLE segment_spans (
  tenant_id TEXT NOT NULL,
  floor_id TEXT NOT NULL,
  segment_id TEXT NOT NULL,
  ordinal BIGINT NOT NULL,
  state TEXT NOT NULL,
  agent_id TEXT,
  from_at BIGINT NOT NULL,
  to_at BIGINT,
  PRIMARY KEY (segment_id, ordinal)
);

CREATE TABLE legs (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL PRIMARY KEY,
  floor_id TEXT NOT NULL,
  interaction_id TEXT,
  segment_id TEXT,
  party TEXT NOT NULL,
  direction TEXT NOT NULL,
  agent_id TEXT,
  device_id TEXT,
  trunk_id TEXT,
  number_id TEXT,
  address_id TEXT,
  destination_class TEXT,
  started_at BIGINT NOT NULL,
  ringing_at BIGINT,
  answered_at BIGINT,
  ended_at BIGINT,
  cause TEXT,
  ended_by TEXT,
  codec TEXT,
  recorded_ms BIGINT NOT NULL,
  stats TEXT NOT NULL
);
CREATE INDEX legs_by_interaction ON legs (interaction_id);
CREATE INDEX legs_by_floor ON legs (floor_id, started_at);

CREATE TABLE offers (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL PRIMARY KEY,
  floor_id TEXT NOT NULL,
  interaction_id TEXT NOT NULL,
  segment_id TEXT NOT NULL,
  queue_id TEXT,
  agent_id TEXT NOT NULL,
  device_id TEXT,
  offered_at BIGINT NOT NULL,
  ended_at BIGINT,
  outcome TEXT,
  trace TEXT NOT NULL
);
CREATE INDEX offers_by_interaction ON offers (interaction_id, offered_at);
CREATE INDEX offers_by_start ON offers (tenant_id, offered_at);

CREATE TABLE agent_spans (
  tenant_id TEXT NOT NULL,
  floor_id TEXT NOT NULL,
  sample BIGINT NOT NULL,
  agent_id TEXT NOT NULL,
  from_seq BIGINT NOT NULL,
  presence TEXT NOT NULL,
  occupancy TEXT NOT NULL,
  break_reason_id TEXT,
  seat_class TEXT,
  interaction_id TEXT,
  from_at BIGINT NOT NULL,
  to_at BIGINT,
  PRIMARY KEY (floor_id, agent_id, from_seq)
);
CREATE INDEX agent_spans_by_time ON agent_spans (tenant_id, from_at);
CREATE INDEX agent_spans_open ON agent_spans (floor_id, to_at);

CREATE TABLE recordings (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL PRIMARY KEY,
  floor_id TEXT NOT NULL,
  interaction_id TEXT NOT NULL,
  segment_id TEXT,
  agent_id TEXT,
  state TEXT NOT NULL,
  blob_id TEXT,
  started_at BIGINT NOT NULL,
  length_ms BIGINT,
  gaps TEXT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL
);
CREATE INDEX recordings_by_interaction ON recordings (interaction_id);
CREATE INDEX recordings_by_start ON recordings (tenant_id, started_at);

-- One row per subject (queue or agent) and interval; figures is the report fold of that cell as JSON.
CREATE TABLE intervals (
  tenant_id TEXT NOT NULL,
  floor_id TEXT NOT NULL,
  sample BIGINT NOT NULL,
  subject TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  interval_at BIGINT NOT NULL,
  interval_ms BIGINT NOT NULL,
  figures TEXT NOT NULL,
  PRIMARY KEY (floor_id, subject, subject_id, interval_at)
);
CREATE INDEX intervals_by_time ON intervals (tenant_id, interval_at);

-- What happened to an interaction, in order, for its page.
CREATE TABLE timeline (
  tenant_id TEXT NOT NULL,
  floor_id TEXT NOT NULL,
  interaction_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (floor_id, seq, interaction_id)
);
CREATE INDEX timeline_by_interaction ON timeline (interaction_id, seq);

-- People outside -------------------------------------------------------------------------------------------------

-- floor_id is set for addresses, contacts and notes that came with a sample floor: they go with it.
CREATE TABLE addresses (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  address_key TEXT NOT NULL,
  value TEXT NOT NULL,
  name TEXT,
  contact_id TEXT,
  sample_floor_id TEXT,
  created_at BIGINT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL,
  UNIQUE (tenant_id, address_key)
);

CREATE TABLE contacts (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  fields TEXT NOT NULL,
  sample_floor_id TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL
);
CREATE INDEX contacts_by_name ON contacts (tenant_id, name, id);

CREATE TABLE notes (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  id TEXT NOT NULL PRIMARY KEY,
  interaction_id TEXT,
  user_id TEXT,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  sample_floor_id TEXT,
  created_at BIGINT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL
);
CREATE INDEX notes_by_interaction ON notes (interaction_id);

-- Nodes, outbox, blobs, keys ---------------------------------------------------------------------------------------

CREATE TABLE sip_bindings (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  device_id TEXT NOT NULL PRIMARY KEY,
  bindings TEXT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE node_heartbeats (
  node TEXT NOT NULL PRIMARY KEY,
  started_at BIGINT NOT NULL,
  beat_at BIGINT NOT NULL,
  version TEXT NOT NULL
);

CREATE TABLE outbox (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  last_error TEXT,
  created_at BIGINT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (state, next_at);
CREATE INDEX outbox_by_tenant ON outbox (tenant_id, state);

CREATE TABLE blobs (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  content_type TEXT NOT NULL,
  length BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  sealed_key BLOB NOT NULL,
  sample_floor_id TEXT,
  created_at BIGINT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL
);
CREATE INDEX blobs_by_tenant ON blobs (tenant_id, kind, created_at);

CREATE TABLE tenant_keys (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  key_no BIGINT NOT NULL,
  sealed BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, key_no)
);

-- A known text sealed with the master key, so that a wrong key is noticed at start.
CREATE TABLE master_check (
  id BIGINT NOT NULL PRIMARY KEY,
  sealed BLOB NOT NULL
);
