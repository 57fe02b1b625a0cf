//! Links between nodes, and which of them are cut.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

/// What goes from the first node to the second.
pub type Link = (i32, i32);

/// Which links are cut. Clones are of the same network.
#[derive(Debug, Clone)]
pub struct Links {
    cut: Arc<watch::Sender<BTreeSet<Link>>>,
}

impl Default for Links {
    fn default() -> Self {
        Self { cut: Arc::new(watch::Sender::new(BTreeSet::new())) }
    }
}

impl Links {
    /// Cuts these.
    pub fn cut(&self, links: impl IntoIterator<Item = Link>) {
        self.cut.send_modify(|cut| cut.extend(links));
    }

    /// Heals those of which `heals` says so.
    pub fn heal(&self, heals: impl Fn(Link) -> bool) {
        self.cut.send_modify(|cut| cut.retain(|link| !heals(*link)));
    }

    /// Those that are cut.
    pub fn all_cut(&self) -> BTreeSet<Link> {
        self.cut.borrow().clone()
    }

    /// To look at one of them, again and again.
    pub(crate) fn watch(&self, link: Option<Link>) -> Watched {
        Watched { link, cut: self.cut.subscribe() }
    }
}

/// Looks at a link.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    /// None cannot be cut.
    link: Option<Link>,
    cut: watch::Receiver<BTreeSet<Link>>,
}

impl Watched {
    pub(crate) fn is_cut(&self) -> bool {
        self.link.is_some_and(|link| self.cut.borrow().contains(&link))
    }

    /// Waits until it is not cut.
    pub(crate) async fn open(&mut self) {
        let Some(link) = self.link else { return };
        if self.cut.wait_for(|cut| !cut.contains(&link)).await.is_err() {
            // The network is gone, and so is all that could be said over it.
            std::future::pending::<()>().await;
        }
    }
}
