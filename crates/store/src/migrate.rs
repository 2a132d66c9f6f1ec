//! Numbered, forward-only migrations, embedded in the binary and applied at start by [`run`].
//!
//! One text for both databases: on PostgreSQL `BLOB` becomes `BYTEA` and `TEXT` gets the byte-wise collation, so that
//! both sort and compare alike. A migration that was applied is never edited: its checksum is stored.
use sha2::{Digest, Sha256};

use crate::db::{Db, Exec, Raw, Tx, sql};
use crate::error::{Error, Result};

/// (number, text); append only.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_base.sql")),
    (2, include_str!("../migrations/0002_projections.sql")),
    (3, include_str!("../migrations/0003_trunk_secrets.sql")),
    (4, include_str!("../migrations/0004_voicemails.sql")),
    (5, include_str!("../migrations/0005_coverage.sql")),
    (6, include_str!("../migrations/0006_legal_holds.sql")),
];

/// Key of the advisory lock that keeps two nodes from migrating the same PostgreSQL database at once: "cord".
const LOCK: i64 = 0x636f_7264;

/// Brings the database to this binary's version. Refuses a newer one.
pub(crate) async fn run(db: &Db) -> Result<()> {
    run_with(db, MIGRATIONS).await
}

async fn run_with(db: &Db, migrations: &[(i64, &str)]) -> Result<()> {
    let mut tx = db.begin().await?;
    if matches!(tx.raw(), Raw::Postgres(_)) {
        sql("SELECT pg_advisory_xact_lock($1)").bind(LOCK).all(&mut tx).await?;
    }
    tx.script(&dialect(
        db,
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL);",
    ))
    .await?;
    let applied = sql("SELECT number, checksum FROM migrations ORDER BY number").all(&mut tx).await?;
    let known = migrations.last().map_or(0, |m| m.0);
    for row in &applied {
        let (number, checksum): (i64, String) = (row.get("number")?, row.get("checksum")?);
        match migrations.iter().find(|m| m.0 == number) {
            None => return Err(Error::NewerDatabase { found: number, known }),
            Some((_, text)) if checksum_of(text) != checksum => return Err(Error::AlteredMigration { number }),
            Some(_) => {}
        }
    }
    for (number, text) in migrations.iter().skip(applied.len()) {
        apply(db, &mut tx, *number, text).await?;
    }
    tx.commit().await
}

async fn apply(db: &Db, tx: &mut Tx, number: i64, text: &str) -> Result<()> {
    tx.script(&dialect(db, text)).await?;
    sql("INSERT INTO migrations (number, checksum) VALUES ($1, $2)")
        .bind(number)
        .bind(checksum_of(text))
        .execute(tx)
        .await?;
    tracing::info!(number, "database migrated");
    Ok(())
}

fn checksum_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn dialect(db: &Db, text: &str) -> String {
    if db.is_sqlite() {
        return text.to_owned();
    }
    // Types stand after a blank in column definitions; comments are harmless.
    text.replace(" BLOB", " BYTEA").replace(" TEXT", " TEXT COLLATE \"C\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_database_and_an_edited_migration_are_refused() {
        let dir = std::env::temp_dir().join(format!("cordboard-migrate-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let db = Db::open_sqlite(&dir.join("m.db")).await.unwrap();
        let one = (1, "CREATE TABLE a (x BIGINT);");
        let two = (2, "CREATE TABLE b (x BIGINT);");
        run_with(&db, &[one, two]).await.unwrap();
        run_with(&db, &[one, two]).await.unwrap();
        let newer = run_with(&db, &[one]).await.unwrap_err();
        assert!(matches!(newer, Error::NewerDatabase { found: 2, known: 1 }), "{newer}");
        let edited = run_with(&db, &[one, (2, "CREATE TABLE c (x BIGINT);")]).await.unwrap_err();
        assert!(matches!(edited, Error::AlteredMigration { number: 2 }), "{edited}");
        db.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
