-- Passwords of ours at carriers, sealed with the tenant's key (purpose `trunk-password`, the trunk's id). A carrier chooses
-- the realm of its challenge, so that no digest can be kept in the password's stead.

CREATE TABLE trunk_secrets (
  trunk_id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  sealed_password BLOB NOT NULL,
  updated_at BIGINT NOT NULL
);
