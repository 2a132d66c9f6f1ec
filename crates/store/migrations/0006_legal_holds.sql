-- Interactions kept for a court: nothing of theirs is deleted, whatever the rules say, until the hold is released. No
-- projection: it outlives a rebuild. Who held and released, and why, is in the audit.
CREATE TABLE legal_holds (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  interaction_id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  held_at BIGINT NOT NULL
);
CREATE INDEX legal_holds_by_tenant ON legal_holds (tenant_id, held_at);
