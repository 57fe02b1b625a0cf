//! The page that Prometheus reads: `GET /metrics`, and no more of HTTP than that takes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Metrics, gauges};
use crate::connection::Doors;
use crate::runtime::NodeHandle;

/// So many ask at once at most; others wait.
const READERS_MAX: usize = 8;

/// No request for a page is longer.
const REQUEST_MAX: usize = 8 << 10;

/// So long a reader may take, from its request to the end of the page.
const READER_TIMEOUT: Duration = Duration::from_secs(10);

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the page until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>, node: NodeHandle, doors: Arc<Doors>) {
    let readers = Arc::new(Semaphore::new(READERS_MAX));
    loop {
        let Ok(reader) = readers.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!("accepting a reader of metrics: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (metrics, node, doors) = (metrics.clone(), node.clone(), doors.clone());
        tokio::spawn(async move {
            let answered = timeout(READER_TIMEOUT, answer(stream, &metrics, &node, &doors)).await;
            if let Ok(Err(error)) = answered {
                tracing::debug!("a reader of metrics: {error}");
            }
            drop(reader);
        });
    }
}

async fn answer(
    mut stream: TcpStream,
    metrics: &Metrics,
    node: &NodeHandle,
    doors: &Doors,
) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() >= REQUEST_MAX {
            return Ok(());
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let (status, page) = page(&request, metrics, node, doors).await;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

/// The status, and the page.
async fn page(request: &[u8], metrics: &Metrics, node: &NodeHandle, doors: &Doors) -> (&'static str, String) {
    let mut words = request.split(|byte| byte.is_ascii_whitespace());
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != b"GET" {
        return ("405 Method Not Allowed", "only GET is served\n".to_owned());
    }
    if path != b"/metrics" && !path.starts_with(b"/metrics?") {
        return ("404 Not Found", "metrics are at /metrics\n".to_owned());
    }
    let Ok(mut seen) = node.look(gauges::look).await else {
        return ("503 Service Unavailable", "the node has stopped\n".to_owned());
    };
    seen.connections = i64::try_from(doors.count()).unwrap_or(i64::MAX);
    metrics.gauges.set(&seen);
    let mut page = String::new();
    match text::encode(&mut page, &metrics.registry) {
        Ok(()) => ("200 OK", page),
        Err(error) => ("500 Internal Server Error", format!("{error}\n")),
    }
}
