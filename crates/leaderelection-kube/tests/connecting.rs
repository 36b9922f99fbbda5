//! A connection that hangs while it is made is given up soon, and then nothing was written. On paused time: nothing here answers, so
//! nothing but the limit can end a call.

use std::error::Error;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use kube::Config;
use leaderelection::{
    Clock, Expected, LeaderElectionRecord, LockError, LockErrorKind, PausedClock, ResourceLock,
};
use leaderelection_kube::KubeConnection;
use tokio::net::TcpSocket;

type TestResult = Result<(), Box<dyn Error>>;

/// What docs/KUBERNETES.md says.
const DEFAULT: Duration = Duration::from_secs(3);

/// For what must not hang for ever; on paused time it costs nothing.
const HANGS: Duration = Duration::from_secs(24 * 3600);

/// What a program may have set, and after how long a connection is given up then.
const LIMITS: [(Option<Duration>, Duration); 4] = [
    (None, DEFAULT),
    (Some(Duration::from_secs(30)), DEFAULT),
    (Some(DEFAULT), DEFAULT),
    (Some(Duration::from_millis(700)), Duration::from_millis(700)),
];

/// How a call fails, and after how long.
async fn failure<T>(
    call: impl Future<Output = Result<T, LockError>>,
) -> Result<(LockError, Duration), Box<dyn Error>> {
    let begin = PausedClock.mono();
    tokio::select! {
        answer = call => match answer {
            Err(error) => Ok((error, PausedClock.mono().since(begin))),
            Ok(_) => Err("something was answered".into()),
        },
        () = PausedClock.sleep_until(begin.after(HANGS)) => Err("it hangs".into()),
    }
}

/// Those of a read and of a swap.
async fn failures(url: &str, limit: Option<Duration>) -> Result<[(LockError, Duration); 2], Box<dyn Error>> {
    let mut config = Config::new(url.parse()?);
    config.connect_timeout = limit;
    let lock = KubeConnection::from_config(config).await?.lease("ns", "leader")?;
    let record = LeaderElectionRecord::default();
    let read = failure(lock.get()).await?;
    let swapped = failure(lock.compare_and_swap(Expected::Absent, &record)).await?;
    Ok([read, swapped])
}

async fn each_is_given_up_in_time(url: &str) -> TestResult {
    for (set, limit) in LIMITS {
        for (error, took) in failures(url, set).await? {
            // SAFETY 9: nothing was sent, for there was no connection.
            assert_eq!(error.kind(), LockErrorKind::Unavailable, "{error}");
            // Timers are exact to a millisecond.
            let late = took.checked_sub(limit);
            assert!(
                late.is_some_and(|late| late <= Duration::from_millis(2)),
                "{set:?}: {took:?}"
            );
        }
    }
    Ok(())
}

/// The system takes the connection, and nobody ever says anything: a process that is frozen, a port that is no server's.
#[tokio::test(start_paused = true)]
async fn a_tls_handshake_that_nobody_answers_is_given_up() -> TestResult {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("https://{}", listener.local_addr()?);
    each_is_given_up_in_time(&url).await?;
    // They had begun: it is the whole way that has the limit, not TCP alone.
    for _ in 0..2 * LIMITS.len() {
        let mut said = Vec::new();
        listener.accept()?.0.read_to_end(&mut said)?;
        assert_eq!(said.first(), Some(&0x16), "no ClientHello: {said:?}");
    }
    Ok(())
}

/// Nobody answers TCP either: a machine that is gone, packets that a firewall drops. Here the queue of a listener is full.
#[tokio::test(start_paused = true)]
async fn a_tcp_connection_that_nobody_takes_is_given_up() -> TestResult {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let listener = socket.listen(1)?;
    let address = listener.local_addr()?;
    let (full, is_full) = mpsc::channel();
    // A blocking connect with a limit of its own, by real time.
    let filling = std::thread::spawn(move || {
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
        }
        let _ = full.send(queued);
    });
    let queued = is_full.recv()?;
    filling.join().map_err(|_| "the filling panicked")?;
    assert!(!queued.is_empty() && queued.len() < 10, "{queued:?}");
    for scheme in ["http", "https"] {
        each_is_given_up_in_time(&format!("{scheme}://{address}")).await?;
    }
    Ok(())
}
