//! Where log lines go: standard error, by a thread of its own. A sink that nobody reads (a full pipe, a stalled disk)
//! must never hold up a call, so lines beyond a bound are dropped and counted (`cordboard_log_lines_dropped_total`).
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait: a second of a very talkative server, about a megabyte.
const LINES: usize = 8_192;
/// How long the end of the process waits for the last lines.
const FLUSH: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct LogSink {
    lines: SyncSender<Vec<u8>>,
    waiting: Arc<AtomicU64>,
}

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines that were not written since the start.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

impl LogSink {
    /// The sink of this process.
    pub fn stderr() -> LogSink {
        static SINK: LazyLock<LogSink> = LazyLock::new(|| LogSink::to(io::stderr()));
        SINK.clone()
    }

    fn to(sink: impl Write + Send + 'static) -> LogSink {
        let (lines, waiting_lines) = sync_channel(LINES);
        let waiting = Arc::new(AtomicU64::new(0));
        let counted = waiting.clone();
        let thread = std::thread::Builder::new().name("log".to_owned());
        // Without its thread lines fill the channel and are dropped.
        let _ = thread.spawn(move || write(sink, &waiting_lines, &counted));
        LogSink { lines, waiting }
    }

    /// One line, or several that belong together.
    pub fn say(&self, text: &[u8]) {
        self.waiting.fetch_add(1, Ordering::Acquire);
        if self.lines.try_send(text.to_vec()).is_err() {
            self.waiting.fetch_sub(1, Ordering::Release);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for the lines given so far, but not for ever.
    pub fn flush(&self) {
        let until = Instant::now() + FLUSH;
        while self.waiting.load(Ordering::Acquire) > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn write(mut sink: impl Write, lines: &Receiver<Vec<u8>>, waiting: &AtomicU64) {
    let mut told = 0;
    while let Ok(line) = lines.recv() {
        // There is nobody to tell that the log cannot be written.
        let _ = sink.write_all(&line);
        waiting.fetch_sub(1, Ordering::Release);
        let dropped = dropped();
        if dropped > told {
            let _ =
                writeln!(sink, "cordboard: the log was not taken in time: {} lines are missing here", dropped - told);
            told = dropped;
        }
    }
}

/// One line; the formatter writes it whole.
impl Write for LogSink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogSink {
    type Writer = LogSink;

    fn make_writer(&self) -> LogSink {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// Takes a line only when it is let.
    struct Stalled(std::sync::mpsc::Receiver<()>, Arc<AtomicU64>);

    impl Write for Stalled {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_takes_nothing_holds_nobody_up_and_what_is_missing_is_counted() {
        let (let_go, held) = channel();
        let written = Arc::new(AtomicU64::new(0));
        let mut sink = LogSink::to(Stalled(held, written.clone()));
        for _ in 0..LINES + 100 {
            sink.write_all(b"a line\n").unwrap();
        }
        // One may be in the writer's hand.
        let missing = dropped();
        assert!((99..=100).contains(&missing), "{missing}");
        drop(let_go);
        sink.flush();
        assert_eq!(sink.waiting.load(Ordering::Relaxed), 0);
        assert!(written.load(Ordering::Relaxed) >= LINES as u64);
    }
}
