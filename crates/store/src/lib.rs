//! Journal, projections, tables, outbox, blobs and keys on SQLite or PostgreSQL.
