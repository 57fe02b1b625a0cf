//! How others reach the node.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use highwater_core::{NodeId, Token};
use highwater_log::disk::RealDisk;
use highwater_node::Node;
use highwater_node::message::{ClientRequest, ClientResponse, Input, PeerRequest, PeerResponse};
use tokio::sync::{mpsc, oneshot, watch};

use super::leads::{Leads, Term};

/// Looks at the node.
type Look = Box<dyn FnOnce(&Node<RealDisk>) + Send>;

/// What the node's task is asked to do.
pub(super) enum Job {
    /// Take this input, for which nobody waits.
    Input(Input),
    /// Take a client's request.
    Client { token: Token, request: ClientRequest, reply: oneshot::Sender<ClientResponse> },
    /// Take a client's request as the leader in this term; if the node is that no more, the reply is dropped.
    Leader { term: Term, token: Token, request: ClientRequest, reply: oneshot::Sender<ClientResponse> },
    /// Take a node's request.
    Peer { token: Token, from: NodeId, request: PeerRequest, reply: oneshot::Sender<PeerResponse> },
    /// Look.
    Look(Look),
    /// Go, as in a crash: nothing is said, nothing is written.
    Abandon,
}

/// Reaches the node. Clones reach the same one.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    jobs: mpsc::Sender<Job>,
    tokens: Arc<AtomicU64>,
    leads: watch::Receiver<Leads>,
}

/// The node has stopped, or stopped before it answered: what became of the request is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the node has stopped")
    }
}

impl std::error::Error for Stopped {}

/// An answer that is on its way. To drop it is to say that nobody waits any more.
#[derive(Debug)]
pub struct Pending<R = ClientResponse> {
    answer: oneshot::Receiver<R>,
    /// Until it is answered.
    open: Option<(Token, mpsc::Sender<Job>)>,
}

impl NodeHandle {
    pub(super) fn new(jobs: mpsc::Sender<Job>, leads: watch::Receiver<Leads>) -> Self {
        Self { jobs, tokens: Arc::default(), leads }
    }

    /// What the broker leads of `__consumer_offsets`.
    pub(crate) fn leads(&self) -> watch::Receiver<Leads> {
        self.leads.clone()
    }

    pub(super) fn jobs(&self) -> mpsc::Sender<Job> {
        self.jobs.clone()
    }

    fn token(&self) -> Token {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }

    async fn send(&self, job: Job) -> Result<(), Stopped> {
        self.jobs.send(job).await.map_err(|_| Stopped)
    }

    /// Puts a client's request in the queue, and waits as long as that is full.
    ///
    /// # Errors
    /// If the node has stopped.
    pub async fn submit(&self, request: ClientRequest) -> Result<Pending, Stopped> {
        let (reply, answer) = oneshot::channel();
        let token = self.token();
        self.send(Job::Client { token, request, reply }).await?;
        Ok(Pending { answer, open: Some((token, self.jobs.clone())) })
    }

    /// Puts a request in the queue that the node takes only if it leads in this term when its turn comes: a leader that has not heard of its
    /// end yet appends nothing behind what its successors did. Otherwise the answer is [`Stopped`], which the node may be or not.
    ///
    /// # Errors
    /// If the node has stopped.
    pub(crate) async fn submit_as_leader(
        &self,
        term: Term,
        request: ClientRequest,
    ) -> Result<Pending, Stopped> {
        let (reply, answer) = oneshot::channel();
        let token = self.token();
        self.send(Job::Leader { term, token, request, reply }).await?;
        Ok(Pending { answer, open: Some((token, self.jobs.clone())) })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// If the node has stopped, or stops before it answers.
    pub async fn ask(&self, request: ClientRequest) -> Result<ClientResponse, Stopped> {
        self.submit(request).await?.await
    }

    /// Puts in the queue what another node asks, and waits as long as that is full.
    ///
    /// # Errors
    /// If the node has stopped.
    pub async fn submit_of_peer(
        &self,
        from: NodeId,
        request: PeerRequest,
    ) -> Result<Pending<PeerResponse>, Stopped> {
        let (reply, answer) = oneshot::channel();
        let token = self.token();
        self.send(Job::Peer { token, from, request, reply }).await?;
        Ok(Pending { answer, open: Some((token, self.jobs.clone())) })
    }

    /// Hands on what another node asks, and waits for the answer.
    ///
    /// # Errors
    /// If the node has stopped, or stops before it answers.
    pub async fn serve(&self, from: NodeId, request: PeerRequest) -> Result<PeerResponse, Stopped> {
        self.submit_of_peer(from, request).await?.await
    }

    /// Looks at the node, between two of its steps and in its task: shortly, then.
    ///
    /// # Errors
    /// If the node has stopped.
    pub async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Node<RealDisk>) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (reply, answer) = oneshot::channel();
        // Nobody may be there any more to hear what was seen.
        let job = Job::Look(Box::new(move |node| drop(reply.send(look(node)))));
        self.send(job).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Tells the node something for which it owes no answer: a peer's response, a flush, the end.
    ///
    /// # Errors
    /// If the node has stopped.
    pub async fn tell(&self, input: Input) -> Result<(), Stopped> {
        self.send(Job::Input(input)).await
    }

    /// Ends the node as a crash would: it says nothing more and writes nothing more.
    ///
    /// # Errors
    /// If it has stopped already.
    pub async fn abandon(&self) -> Result<(), Stopped> {
        self.send(Job::Abandon).await
    }
}

impl<R> Future for Pending<R> {
    type Output = Result<R, Stopped>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        if answer.is_ready() {
            self.open = None;
        }
        answer.map_err(|_| Stopped)
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if let Some((token, jobs)) = self.open.take() {
            // If the queue is full, the request waits until its own time is over, and its answer goes nowhere.
            let _ = jobs.try_send(Job::Input(Input::Forget { token }));
        }
    }
}
