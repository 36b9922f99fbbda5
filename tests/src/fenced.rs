//! A leader that writes to etcd and never asks whether it still leads, as work does that was paused behind its last look: once
//! with the fence of its lock, once without.

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Client, Compare, Txn, TxnOp};
use leaderelection::{LeaderElector, LeaseTiming};
use leaderelection_etcd::{EtcdConnection, EtcdLock};

use crate::time::sleep;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The pause between two writes.
const PAUSE: Duration = Duration::from_millis(5);

/// What is written with the fence, beside the lock's key.
pub fn fenced_key(key: &str) -> String {
    format!("{key}-fenced")
}

/// What is written without.
pub fn unfenced_key(key: &str) -> String {
    format!("{key}-unfenced")
}

/// The leader's lease: short, so that one need not be frozen for long.
///
/// # Errors
/// Never: they fit.
pub fn timing() -> Result<LeaseTiming> {
    let milliseconds = Duration::from_millis;
    let timing = LeaseTiming::new(milliseconds(2_000), milliseconds(1_400), milliseconds(300))?;
    Ok(timing.with_stop_grace(milliseconds(200))?)
}

/// The program: campaigns for ever. It says `leads TOKEN` when a term's first fenced write was accepted, and
/// `ended TOKEN ACCEPTED REFUSED LATE` behind a term's last one, where `LATE` counts those that were accepted after one was refused.
///
/// # Errors
/// When it cannot run.
pub fn lead(endpoint: &str, key: &str, identity: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let lock = EtcdConnection::connect([endpoint]).await?.lock(key)?;
        let elector = LeaderElector::builder(lock.clone(), identity)
            .timing(timing()?)
            .build()?;
        elector
            .run(pending::<()>(), |leadership| {
                let token = leadership.token().get();
                let writer = Writer {
                    endpoint: endpoint.to_owned(),
                    lock: lock.clone(),
                    value: format!("{identity} {token}"),
                    fence: lock.fence(leadership.token()),
                    over: Arc::default(),
                };
                let over = Over(Arc::clone(&writer.over));
                // On a thread of its own, which the elector cannot stop.
                std::thread::spawn(move || match writer.run(token) {
                    Ok(counts) => println!("ended {token} {counts}"),
                    Err(error) => println!("failed {token} {error}"),
                });
                async move {
                    let _over = over;
                    pending::<()>().await;
                }
            })
            .await?;
        Ok(())
    })
}

/// Dropped with the work: the term is over.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Writer {
    endpoint: String,
    lock: EtcdLock,
    value: String,
    fence: Vec<Compare>,
    over: Arc<AtomicBool>,
}

impl Writer {
    /// Writes until it is known that the term is over, and once more.
    fn run(self, token: u64) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let client = Client::connect([&self.endpoint], None).await?;
            let key = String::from_utf8(self.lock.key().to_vec())?;
            let (mut accepted, mut refused, mut late) = (0, 0, 0);
            loop {
                let last = self.over.load(Ordering::SeqCst);
                let put = TxnOp::put(fenced_key(&key), self.value.as_str(), None);
                let write = Txn::new().when(self.fence.as_slice()).and_then([put]);
                if client.kv_client().txn(write).await?.succeeded() {
                    if accepted == 0 {
                        println!("leads {token}");
                    }
                    accepted += 1;
                    late += usize::from(refused > 0);
                } else {
                    refused += 1;
                }
                client
                    .kv_client()
                    .put(unfenced_key(&key), self.value.as_str(), None)
                    .await?;
                if last {
                    return Ok(format!("{accepted} {refused} {late}"));
                }
                sleep(PAUSE).await;
            }
        })
    }
}
