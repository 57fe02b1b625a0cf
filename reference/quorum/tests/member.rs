//! A member that runs, over TCP and a real disk.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use highwater_quorum::disk::RealDisk;
use highwater_quorum::{Config, Epoch, Member, Offset, ProposeError, Replica, RoleName, StateMachine, Tcp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Count(u64);

impl StateMachine for Count {
    type Answer = u64;

    fn apply(&mut self, _offset: Offset, _epoch: Epoch, _record: &[u8]) -> u64 {
        self.0 += 1;
        self.0
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.0.to_be_bytes())
    }

    fn restore(from: &mut dyn Read) -> io::Result<Self> {
        let mut bytes = [0; 8];
        from.read_exact(&mut bytes)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

async fn started(directory: &std::path::Path) -> (Member<Count>, SocketAddr) {
    let config = Config::new("member-test", 1, [1]);
    let disk = RealDisk::open(directory).expect("a directory of its own");
    Replica::<_, Count>::format(&config, &disk).expect("blank, or its own");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let tcp = Tcp::new(&config, listener, Tcp::fixed([(1, address.to_string())]));
    let member = Member::start(config, disk, Count::default(), tcp).expect("a sound disk");
    (member, address)
}

async fn commit(member: &Member<Count>) -> u64 {
    loop {
        match member.propose("record").await {
            Err(ProposeError::NotLeader { leader: None }) => tokio::task::yield_now().await,
            done => return done.expect("a majority of one").answer,
        }
    }
}

#[tokio::test]
async fn member_that_is_started_again_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let (member, _) = started(directory.path()).await;
    assert_eq!(commit(&member).await, 1);
    let status = member.status().await.expect("it runs");
    assert_eq!((status.role, status.serves), (RoleName::Leader, true));
    member.stop().await.expect("in good order");
    assert_eq!(member.propose("late").await, Err(ProposeError::Stopped));

    let (member, _) = started(directory.path()).await;
    assert_eq!(commit(&member).await, 2);
}

#[tokio::test]
async fn member_of_which_all_are_dropped_lets_go_of_its_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let (member, _) = started(directory.path()).await;
    commit(&member).await;
    drop(member);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while RealDisk::open(directory.path()).is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the disk is still in use");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let (member, address) = started(directory.path()).await;
    let nonsense: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &(-1_i32).to_be_bytes(),
        &i32::MAX.to_be_bytes(),
        // Produce, which is none of a quorum's.
        &[0, 0, 0, 10, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0],
        // Vote v2, and nothing of it.
        &[0, 0, 0, 11, 0, 52, 0, 2, 0, 0, 0, 1, 0, 0, 0],
    ];
    for bytes in nonsense {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(bytes).await.expect("there is room");
        let mut answer = Vec::new();
        // It may be closed with what was not read yet.
        let read = stream.read_to_end(&mut answer).await;
        assert!(read.is_err() || answer.is_empty(), "{bytes:?} was answered: {answer:?}");
    }
    assert_eq!(commit(&member).await, 1);
}
