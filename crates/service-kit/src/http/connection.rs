//! One connection: hyper serves it, and what it does is told to its [`Pulse`], which says when it has to go.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{Router, body::Body, http::HeaderValue};
use hyper::{
    Request, Response,
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    header::CONNECTION,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::pulse::{Pulse, Why};
use crate::config::ConnectionConfig;

/// Serves a connection until it ends or has to go. Returns why it had to.
pub(super) async fn serve(
    stream: TcpStream,
    router: Router,
    pulse: Arc<Pulse>,
    limits: &ConnectionConfig,
    stop: CancellationToken,
) -> Option<Why> {
    let service = {
        let (pulse, stop) = (pulse.clone(), stop.clone());
        service_fn(move |request: Request<Incoming>| answer(router.clone(), request, pulse.clone(), stop.clone()))
    };
    let watched = Watched { stream, pulse: pulse.clone() };
    // A client that ends its side once it has asked, as pipes and some proxies do, still waits for the answer.
    let protocol = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(watched), service);
    let mut connection = pin!(protocol.with_upgrades());
    let mut stopped = pin!(stop.cancelled());
    let mut leave = pin!(pulse.told_to_leave());
    let mut stopping = None;
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        if stopping.is_none() && stopped.as_mut().poll(context).is_ready() {
            stopping = Some(Instant::now());
        }
        if leave.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Why::MadeRoom));
        }
        loop {
            let Some((until, why)) = pulse.deadline(limits, stopping) else { return Poll::Pending };
            if until <= Instant::now() {
                return Poll::Ready(Some(why));
            }
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(context));
        }
    })
    .await
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    pulse: Arc<Pulse>,
    stop: CancellationToken,
) -> Result<Response<Told<Body>>, std::convert::Infallible> {
    pulse.begins(!request.body().is_end_stream());
    let request = request.map(|body| Body::new(Told { body, pulse: pulse.clone(), end: Pulse::owes_nothing }));
    let mut response = router.oneshot(request).await?;
    if stop.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    pulse.answers(response.body().size_hint().exact().is_none());
    Ok(response.map(|body| Told { body, pulse, end: Pulse::told }))
}

/// A body whose end is told. It ends when it is dropped, too.
struct Told<B> {
    body: B,
    pulse: Arc<Pulse>,
    end: fn(&Pulse),
}

impl<B: HttpBody + Unpin> HttpBody for Told<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            (self.end)(&self.pulse);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Told<B> {
    fn drop(&mut self) {
        (self.end)(&self.pulse);
    }
}

/// A stream whose bytes are told of.
struct Watched {
    stream: TcpStream,
    pulse: Arc<Pulse>,
}

impl Watched {
    fn told(&self, polled: &Poll<io::Result<usize>>) {
        if matches!(polled, Poll::Ready(Ok(sent)) if *sent > 0) {
            self.pulse.sent();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.received();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.told(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.told(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when nothing is left in its own buffer.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.pulse.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
