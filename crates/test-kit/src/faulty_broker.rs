//! A private broker whose answers a test may spoil, by a proxy that knows so much of the protocol. What is met in production
//! after changes of leader and of members, and otherwise comes when nobody looks.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI16, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, Notify},
    task::JoinHandle,
};

pub use crate::faulty_produce::ProduceFault;
use crate::{
    broker::Broker,
    faulty_produce::{ProduceFaults, refusal},
    offset_commit,
    ports::free_port,
};

/// The kinds of four requests, and errors, by their numbers in the protocol.
const PRODUCE: u16 = 0;
const FETCH: u16 = 1;
const LIST_OFFSETS: u16 = 2;
const OFFSET_COMMIT: u16 = 8;
const HEARTBEAT: u16 = 12;
const FENCED_INSTANCE_ID: i16 = 82;
/// What no client tries again: the right to commit was taken away.
pub const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
/// What a client tries again for ever.
pub const COORDINATOR_NOT_AVAILABLE: i16 = 15;

/// A kind of question that gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    Fetch,
    /// Where a log begins and ends.
    ListOffsets,
}

/// Reached through its proxy alone.
#[derive(Debug)]
pub struct FaultyBroker {
    address: SocketAddr,
    faults: Arc<Faults>,
    task: JoinHandle<()>,
    _broker: Broker,
}

#[derive(Debug, Default)]
struct Faults {
    no_fetches: AtomicBool,
    no_fetches_at_all: AtomicBool,
    fetched: AtomicUsize,
    swallowed: AtomicUsize,
    /// A bit for each kind.
    unanswered: AtomicU64,
    fence: AtomicBool,
    /// 0 for none.
    commit_error: AtomicI16,
    refused: AtomicUsize,
    produce: ProduceFaults,
}

impl FaultyBroker {
    /// Ready, and without faults yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", free_port())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let broker = Broker::start_behind(address.port()).await;
        let faults = Arc::new(Faults::default());
        let task = tokio::spawn(accept(listener, broker.bootstrap(), faults.clone()));
        Self { address, faults, task, _broker: broker }
    }

    /// What clients connect to.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// From now on, connections that have fetched get no answer to another fetch, and to all else as before. New ones do.
    pub fn stop_fetches(&self) {
        self.faults.no_fetches.store(true, SeqCst);
    }

    /// From now on, no fetch gets an answer, and all else does.
    pub fn stop_every_fetch(&self) {
        self.faults.no_fetches_at_all.store(true, SeqCst);
        self.stop_fetches();
    }

    /// From now on, requests of these kinds get no answer on any connection, and all else does; until this is called again.
    pub fn leave_unanswered(&self, kinds: &[Unanswered]) {
        let bit = |kind: &Unanswered| match kind {
            Unanswered::Fetch => 1 << FETCH,
            Unanswered::ListOffsets => 1 << LIST_OFFSETS,
        };
        self.faults.unanswered.store(kinds.iter().map(bit).fold(0, |all: u64, bit: u64| all | bit), SeqCst);
    }

    /// How many fetches there were before.
    pub fn fetched(&self) -> usize {
        self.faults.fetched.load(SeqCst)
    }

    /// How many fetches were swallowed.
    pub fn swallowed(&self) -> usize {
        self.faults.swallowed.load(SeqCst)
    }

    /// From now on, commits of offsets are answered with this error and do not reach the broker; `None` lets them through.
    pub fn refuse_commits(&self, error: Option<i16>) {
        self.faults.commit_error.store(error.unwrap_or(0), SeqCst);
    }

    /// How many commits were refused.
    pub fn refused(&self) -> usize {
        self.faults.refused.load(SeqCst)
    }

    /// What becomes of the next requests that bring records, on whatever connection; those after them pass.
    pub fn spoil_produces(&self, faults: impl IntoIterator<Item = Option<ProduceFault>>) {
        self.faults.produce.set_next(faults);
    }

    /// The next heartbeat of a group's member is answered with what no client gets over: another has taken its place.
    pub fn fence_a_member(&self) {
        self.faults.fence.store(true, SeqCst);
    }
}

impl Drop for FaultyBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: String, faults: Arc<Faults>) {
    // Dropped with this task, and with it every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (target, faults) = (target.clone(), faults.clone());
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else { return };
            let (from_client, to_client) = client.into_split();
            let (mut from_server, to_server) = server.into_split();
            let to_client = Mutex::new(to_client);
            let open = Open::default();
            let answers = async {
                while let Some(answer) = read(&mut from_server).await {
                    match open.answered(&answer) {
                        Some(InItsPlace::This(other)) => write(&mut *to_client.lock().await, &other).await?,
                        Some(InItsPlace::Nothing) => return None,
                        None => write(&mut *to_client.lock().await, &answer).await?,
                    }
                }
                Some(())
            };
            tokio::select! {
                _ = pass_requests(from_client, to_server, &to_client, &open, &faults) => {}
                _ = answers => {}
            }
        });
    }
}

async fn pass_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    back: &Mutex<OwnedWriteHalf>,
    open: &Open,
    faults: &Faults,
) -> Option<()> {
    let mut has_fetched = false;
    loop {
        // Kind, version, number of the request, and what concerns nobody here.
        let request = read(&mut from).await?;
        let number = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        if number(0) < 64 && faults.unanswered.load(SeqCst) & 1 << number(0) != 0 {
            faults.swallowed.fetch_add(1, SeqCst);
            continue;
        }
        match number(0) {
            PRODUCE => match faults.produce.of(&request) {
                Some(ProduceFault::Lost) => return None,
                Some(ProduceFault::Refused(code)) => {
                    // As a broker does, which answers in the order of the requests.
                    open.none().await;
                    write(&mut *back.lock().await, &refusal(&request, code)).await?;
                    continue;
                }
                Some(ProduceFault::TakenAndRefused(code)) => {
                    open.add(&request, Some(InItsPlace::This(refusal(&request, code))));
                }
                Some(ProduceFault::TakenAndLost) => open.add(&request, Some(InItsPlace::Nothing)),
                _ => open.add(&request, None),
            },
            FETCH if !faults.no_fetches.load(SeqCst) => {
                has_fetched = true;
                faults.fetched.fetch_add(1, SeqCst);
            }
            FETCH if has_fetched || faults.no_fetches_at_all.load(SeqCst) => {
                faults.swallowed.fetch_add(1, SeqCst);
                continue;
            }
            OFFSET_COMMIT if faults.commit_error.load(SeqCst) != 0 => {
                faults.refused.fetch_add(1, SeqCst);
                let answer = offset_commit::refusal(&request, faults.commit_error.load(SeqCst));
                write(&mut *back.lock().await, &answer).await?;
                continue;
            }
            HEARTBEAT if faults.fence.swap(false, SeqCst) => {
                // From version 4 on, header and body each end with a byte for what may be added.
                let more: &[u8] = if number(2) >= 4 { &[0] } else { &[] };
                let delay = [0; 4];
                let answer = [&request[4..8], more, &delay, &FENCED_INSTANCE_ID.to_be_bytes(), more].concat();
                write(&mut *back.lock().await, &answer).await?;
                continue;
            }
            _ => {}
        }
        write(&mut to, &request).await?;
    }
}

/// What is sent for an answer of the broker's; after nothing the connection ends.
enum InItsPlace {
    This(Vec<u8>),
    Nothing,
}

/// Requests with records that the broker has not answered, by their numbers.
#[derive(Default)]
struct Open {
    requests: std::sync::Mutex<BTreeMap<Vec<u8>, Option<InItsPlace>>>,
    answered: Notify,
}

impl Open {
    fn add(&self, request: &[u8], answer: Option<InItsPlace>) {
        self.requests.lock().unwrap().insert(request[4..8].to_vec(), answer);
    }

    fn answered(&self, answer: &[u8]) -> Option<InItsPlace> {
        let other = self.requests.lock().unwrap().remove(&answer[..4])?;
        self.answered.notify_one();
        other
    }

    async fn none(&self) {
        while !self.requests.lock().unwrap().is_empty() {
            self.answered.notified().await;
        }
    }
}

async fn read(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut frame = vec![0; length as usize];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn write(to: &mut OwnedWriteHalf, frame: &[u8]) -> Option<()> {
    to.write_u32(frame.len() as u32).await.ok()?;
    to.write_all(frame).await.ok()
}
