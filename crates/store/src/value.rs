//! How Rust values become columns: BIGINT, TEXT, BLOB or DOUBLE, nothing else. Also [`table_row!`], which makes a plain
//! row struct readable and writable.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::address::Address;
use domain::id::*;
use domain::localized::Lang;
use domain::medium::Medium;
use domain::time::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    Double,
    Text,
    Blob,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null(Kind),
    Int(i64),
    Double(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// A type that is stored in one column.
pub trait Column: Sized {
    const KIND: Kind;
    fn to_value(&self) -> Value;
    /// `None` if the stored value does not have this shape.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! ints {
    ($($t:ty),*) => {$(
        impl Column for $t {
            const KIND: Kind = Kind::Int;
            fn to_value(&self) -> Value {
                // Counts beyond i64 do not occur; saturate rather than wrap.
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Int(v) => v.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
ints!(i64, u64, i32, u32, u16, u8, usize);

macro_rules! texts {
    ($($t:ty),*) => {$(
        impl Column for $t {
            const KIND: Kind = Kind::Text;
            fn to_value(&self) -> Value {
                Value::Text(self.to_string())
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Text(v) => v.parse().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
texts!(
    HostId,
    TenantId,
    FloorId,
    LoginId,
    UserId,
    TeamId,
    GrantId,
    AgentId,
    DeviceId,
    SkillId,
    QueueId,
    CalendarId,
    FlowId,
    NumberId,
    TrunkId,
    PromptId,
    DispositionId,
    BreakReasonId,
    SessionId,
    TokenId,
    ContactId,
    AddressId,
    NoteId,
    InteractionId,
    SegmentId,
    OfferId,
    LegId,
    BridgeId,
    PlayId,
    RecordingId,
    AskId,
    BlobId
);

/// Stored as JSON text, never queried inside.
macro_rules! jsons {
    ($($t:ty),*) => {$(
        impl Column for $t {
            const KIND: Kind = Kind::Text;
            fn to_value(&self) -> Value {
                Value::Text(serde_json::to_string(self).unwrap_or_default())
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Text(v) => serde_json::from_str(&v).ok(),
                    _ => None,
                }
            }
        }
    )*};
}
jsons!(
    serde_json::Value,
    Address,
    domain::config::Entitlements,
    domain::routing::DecisionTrace,
    crate::projection::Spans
);

/// Enums stored under their serde name, bare.
macro_rules! names {
    ($($t:ty),*) => {$(
        impl $crate::value::Column for $t {
            const KIND: $crate::value::Kind = $crate::value::Kind::Text;
            fn to_value(&self) -> $crate::value::Value {
                match serde_json::to_value(self) {
                    Ok(serde_json::Value::String(s)) => $crate::value::Value::Text(s),
                    _ => $crate::value::Value::Text(String::new()),
                }
            }
            fn from_value(value: $crate::value::Value) -> Option<Self> {
                match value {
                    $crate::value::Value::Text(v) => serde_json::from_value(serde_json::Value::String(v)).ok(),
                    _ => None,
                }
            }
        }
    )*};
}
pub(crate) use names;
names!(Lang, Medium);

impl Column for String {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        // PostgreSQL refuses NUL in TEXT; nothing we store needs it.
        if self.contains('\0') { Value::Text(self.replace('\0', "")) } else { Value::Text(self.clone()) }
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(v) => Some(v),
            _ => None,
        }
    }
}

/// For binding only.
impl Column for &str {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        (*self).to_owned().to_value()
    }
    fn from_value(_: Value) -> Option<Self> {
        None
    }
}

impl Column for bool {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(v) => Some(v != 0),
            _ => None,
        }
    }
}

impl Column for f64 {
    const KIND: Kind = Kind::Double;
    fn to_value(&self) -> Value {
        Value::Double(*self)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Double(v) => Some(v),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    const KIND: Kind = Kind::Blob;
    fn to_value(&self) -> Value {
        Value::Blob(self.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Blob(v) => Some(v),
            _ => None,
        }
    }
}

impl Column for Timestamp {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(self.0)
    }
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(Timestamp)
    }
}

impl<T: Column> Column for Option<T> {
    const KIND: Kind = T::KIND;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null(T::KIND), T::to_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null(_) => Some(None),
            v => T::from_value(v).map(Some),
        }
    }
}

/// A plain row of one table: field names are column names.
pub(crate) trait TableRow: Sized {
    const TABLE: &'static str;
    const KEY: &'static [&'static str];
    const COLUMNS: &'static [&'static str];
    /// Columns that only the first write sets: somebody else may have emptied them since.
    const FIXED: &'static [&'static str];
    fn values(&self) -> Vec<Value>;
    fn read(row: &crate::db::Row) -> crate::error::Result<Self>;
}

/// Declares a row struct with its table and primary key:
/// `table_row! { /// docs  pub struct NoteRow in "notes" (tenant_id, id) { pub id: NoteId, … } }`.
macro_rules! table_row {
    ($($(#[$meta:meta])* pub struct $name:ident in $table:literal ($($key:ident),+) $(fixed ($($fixed:ident),+))? {
        $($(#[$fmeta:meta])* pub $field:ident: $ty:ty,)+
    })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $ty,)+
        }

        impl $crate::value::TableRow for $name {
            const TABLE: &'static str = $table;
            const KEY: &'static [&'static str] = &[$(stringify!($key)),+];
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];
            const FIXED: &'static [&'static str] = &[$($(stringify!($fixed)),+)?];
            fn values(&self) -> Vec<$crate::value::Value> {
                vec![$($crate::value::Column::to_value(&self.$field)),+]
            }
            fn read(row: &$crate::db::Row) -> $crate::error::Result<Self> {
                Ok(Self { $($field: row.get::<$ty>(stringify!($field))?,)+ })
            }
        }
    )+};
}
pub(crate) use table_row;

/// `INSERT`, and on a present key `UPDATE` of every other column.
pub(crate) async fn upsert<T: TableRow>(row: &T, on: &mut impl crate::db::Exec) -> crate::error::Result<()> {
    write(std::slice::from_ref(row), true, on).await
}

/// The same for many rows with few statements. No key may be in it twice.
pub(crate) async fn upsert_all<T: TableRow>(rows: &[T], on: &mut impl crate::db::Exec) -> crate::error::Result<()> {
    let mut rest = rows;
    for size in ROWS {
        while rest.len() >= size {
            let (some, others) = rest.split_at(size);
            write(some, true, on).await?;
            rest = others;
        }
    }
    Ok(())
}

/// `INSERT`; a present key is a conflict.
pub(crate) async fn insert<T: TableRow>(row: &T, on: &mut impl crate::db::Exec) -> crate::error::Result<()> {
    write(std::slice::from_ref(row), false, on).await
}

/// Rows in one statement: few sizes, so that each stays prepared; 64 rows of the widest table are 2,240 arguments, of
/// which SQLite takes 32,766 and PostgreSQL 65,535.
const ROWS: [usize; 4] = [64, 16, 4, 1];

async fn write<T: TableRow>(rows: &[T], replace: bool, on: &mut impl crate::db::Exec) -> crate::error::Result<()> {
    let is_sqlite = matches!(on.raw(), crate::db::Raw::Sqlite(_));
    let mut statement = crate::db::sql(text_of::<T>(rows.len(), replace, is_sqlite));
    for row in rows {
        for value in row.values() {
            statement.bind_value(value);
        }
    }
    statement.execute(on).await.map(drop)
}

/// The text of an insert, made once: per table there are two kinds and the sizes of [`ROWS`].
///
/// SQLite gets nameless places: `$1` is a name to it, and the driver has each looked up in a list of all of them, which
/// for a thousand arguments costs more than writing the rows.
fn text_of<T: TableRow>(rows: usize, replace: bool, is_sqlite: bool) -> &'static str {
    static TEXTS: Mutex<Texts> = Mutex::new(Texts::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    texts.entry((T::TABLE, rows, replace, is_sqlite)).or_insert_with(|| {
        let mut text = format!("INSERT INTO {} ({}) VALUES ", T::TABLE, T::COLUMNS.join(", "));
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..T::COLUMNS.len() {
                let n = row * T::COLUMNS.len() + column + 1;
                let place = if is_sqlite { "?".to_owned() } else { format!("${n}") };
                text.push_str(&format!("{}{place}", if column == 0 { "" } else { ", " }));
            }
            text.push(')');
        }
        if replace {
            let stays = |c: &&&str| !T::KEY.contains(c) && !T::FIXED.contains(c);
            let rest: Vec<String> = T::COLUMNS.iter().filter(stays).map(|c| format!("{c} = excluded.{c}")).collect();
            text.push_str(&format!(" ON CONFLICT ({}) DO UPDATE SET {}", T::KEY.join(", "), rest.join(", ")));
        }
        String::leak(text)
    })
}

/// Table, rows, whether a present key is replaced, whether for SQLite.
type Texts = BTreeMap<(&'static str, usize, bool, bool), &'static str>;

/// `SELECT` of all columns of `T` followed by `rest` (`WHERE …`).
pub(crate) fn select<T: TableRow>(rest: &str) -> crate::db::Sql {
    crate::db::sql(format!("SELECT {} FROM {} {rest}", T::COLUMNS.join(", "), T::TABLE))
}

pub(crate) fn read_all<T: TableRow>(rows: &[crate::db::Row]) -> crate::error::Result<Vec<T>> {
    rows.iter().map(T::read).collect()
}
