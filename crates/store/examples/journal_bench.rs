//! How many journal batches one CPU second carries on SQLite with full fsyncs, alone and with floors sharing commits.
//! Run: `cargo run --release -p store --example journal_bench [seconds per case]`.
use std::time::{Duration, Instant};

use domain::config::Entitlements;
use domain::time::Timestamp;
use serde_json::{Value, json};
use store::{Batch, FloorKind, HostScope, NewTenant, Options, Store};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
/// About what one moment of a busy floor decides together.
const EVENTS: u64 = 8;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(5), |s| s.parse::<u64>())?;
    let dir = std::env::temp_dir().join(format!("cordboard-bench-{}", std::process::id()));
    let store = Store::open(&Options::in_dir(&dir)).await?;
    let host = HostScope::whole_installation();
    let owner = store.create_host(host, "Bench", NOW).await?;
    let tenant = store
        .create_tenant(
            host,
            NewTenant {
                host: owner.id,
                slug: "bench".into(),
                name: "Bench".into(),
                entitlements: Entitlements { seats: 1, concurrent_calls: 1, retention_days: 1 },
                is_default: true,
            },
            NOW,
        )
        .await?;
    println!("floors  batches/s  events/s  batches/CPU-s  p50 ms  p99 ms");
    for floors in [1_usize, 4, 16, 64, 256] {
        let (cpu, start) = (cpu_time()?, Instant::now());
        let mut tasks = Vec::new();
        for _ in 0..floors {
            let floor = store.create_floor(tenant.id, FloorKind::Live, NOW).await?;
            let lease = store.acquire_lease(floor.id, "bench", Duration::from_secs(1), NOW).await?;
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let (mut next, mut waits) = (1, Vec::new());
                while start.elapsed() < Duration::from_secs(seconds) {
                    let batch = Batch::encode(next, &events(next))?;
                    let asked = Instant::now();
                    store.append(floor.id, lease.epoch, batch, NOW).await?;
                    waits.push(asked.elapsed());
                    next += EVENTS;
                }
                Ok::<_, store::Error>(waits)
            }));
        }
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await??);
        }
        waits.sort();
        let (wall, cpu) = (start.elapsed().as_secs_f64(), (cpu_time()? - cpu).as_secs_f64());
        let count = waits.len() as f64;
        let at = |q: f64| waits[((count - 1.0) * q) as usize].as_secs_f64() * 1e3;
        println!(
            "{floors:>6} {:>10.0} {:>9.0} {:>14.0} {:>7.2} {:>7.2}",
            count / wall,
            count * EVENTS as f64 / wall,
            count / cpu,
            at(0.5),
            at(0.99)
        );
    }
    store.close().await;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn events(first: u64) -> Vec<Value> {
    (first..first + EVENTS)
        .map(|n| {
            json!({
                "v": 1, "kind": "offer_made", "at": NOW.0 + n as i64, "interaction": format!("int_{n:026}"),
                "segment": format!("seg_{n:026}"), "agent": format!("agt_{:026}", n % 100), "queue": "que_1",
                "score": n % 17,
            })
        })
        .collect()
}

/// User and system time of this process, from `/proc/self/stat` (100 ticks a second on Linux).
fn cpu_time() -> Result<Duration, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Fields are counted after the parenthesised name, which may hold blanks: utime and stime are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.get(11).unwrap_or(&"0").parse::<u64>()? + fields.get(12).unwrap_or(&"0").parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
