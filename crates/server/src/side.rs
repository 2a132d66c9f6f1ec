//! A thread with an executor of its own. The engine and the store live on one: a floor, its journal and its projector
//! hand work to one another all the time, and waking another thread for each step costs several times the step. Web
//! requests keep the many-threaded executor of the process; the two meet in channels.
use std::future::Future;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Blocking work (a recording being sealed) that is still under way when the thread ends is left after this time.
const LEFT_AFTER: Duration = Duration::from_secs(5);

pub struct Side {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Side {
    pub fn start(name: &str) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("no executor")?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Stopped by word or because the owner is gone.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_timeout(LEFT_AFTER);
            })
            .context("no thread")?;
        Ok(Self { handle, stop, thread })
    }

    /// Runs `work` there; what it spawns stays there.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.handle.spawn(work).await.context("the engine's thread panicked")?
    }

    /// Ends what still runs there.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}
