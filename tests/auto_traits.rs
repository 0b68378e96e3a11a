//! What can be sent, shared, moved, cloned and shown, and with which bounds it compiles.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    cell::Cell,
    marker::PhantomPinned,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_outcome::{
    Call, CallLayer, FailoverLayer, OutcomeRouter, OutcomeRouting, OutcomeRoutingLayer,
    RequestBody, ResponseBody, ResponseFuture, RetryPolicy, Routed, ShadowLayer, Ticket,
    failover::{CallService, Failover, FailoverFuture},
    shadow::{Shadow, ShadowFuture},
};

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn debug<T: std::fmt::Debug>() {}
fn shared<T: Clone + Send + Sync + Unpin + std::fmt::Debug + 'static>() {}

/// `Send`, but neither `Sync` nor `Unpin`.
#[derive(Debug, Default)]
struct Awkward {
    _not_sync: Cell<u8>,
    _not_unpin: PhantomPinned,
}

impl Body for Awkward {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(None)
    }
}

/// A client that is not `Sync`, for its state, and answers with an awkward body.
#[derive(Clone, Debug, Default)]
struct Client {
    calls: Cell<u32>,
}

impl<B> Service<Request<RequestBody<B>>> for Client
where
    B: Body + Send,
    B::Error: Send,
{
    type Response = Response<Awkward>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response<Awkward>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<B>>) -> Self::Future {
        fn sync<T: Send + Sync + Unpin>(_: &T) {}
        sync(request.body());
        self.calls.set(self.calls.get() + 1);
        std::future::ready(Ok(Response::new(Awkward::default())))
    }
}

type Inner = tower::util::BoxCloneSyncService<u8, u8, BoxError>;

#[test]
fn layers_services_and_handles_are_shared_freely() {
    shared::<OutcomeRouter>();
    shared::<OutcomeRoutingLayer>();
    shared::<FailoverLayer>();
    shared::<ShadowLayer>();
    shared::<Shadow<Arc<u8>>>();
    sync::<Shadow<OutcomeRouting<Inner>>>();
    shared::<CallLayer>();
    shared::<RetryPolicy>();
    shared::<Call>();
    shared::<OutcomeRouting<Arc<u8>>>();
    shared::<Failover<Arc<u8>>>();
    shared::<CallService<Arc<u8>>>();
    send::<OutcomeRouting<Inner>>();
    sync::<Failover<OutcomeRouting<Inner>>>();
    send::<Ticket>();
    sync::<Ticket>();
    debug::<Ticket>();
    send::<Routed>();
    sync::<Routed>();
}

#[test]
fn bodies_and_futures_are_what_clients_ask_for() {
    send::<RequestBody<Awkward>>();
    sync::<RequestBody<Awkward>>();
    unpin::<RequestBody<Awkward>>();
    send::<RequestBody<RequestBody<Awkward>>>();
    sync::<RequestBody<RequestBody<Awkward>>>();
    debug::<RequestBody<Awkward>>();
    send::<ResponseBody<Awkward>>();
    debug::<ResponseBody<Awkward>>();
    unpin::<ResponseBody<Full<Bytes>>>();
    sync::<ResponseBody<Full<Bytes>>>();
    send::<ResponseFuture<Client, Awkward, Awkward>>();
    debug::<ResponseFuture<Client, Awkward, Awkward>>();
    send::<FailoverFuture<OutcomeRouting<Client>, Awkward>>();
    debug::<FailoverFuture<OutcomeRouting<Client>, Awkward>>();
    send::<ShadowFuture<OutcomeRouting<Client>, Awkward>>();
    debug::<ShadowFuture<OutcomeRouting<Client>, Awkward>>();
}

/// The bounds that are promised, and no others.
fn generic<S, B, R>(router: OutcomeRouter, inner: S) -> OutcomeRouting<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    fn is_service<S, B, R, E>(service: S) -> S
    where
        S: Service<Request<B>, Response = Response<ResponseBody<R>>, Error = E>,
        S: Service<Request<B>, Future: Future<Output = Result<Response<ResponseBody<R>>, E>>>,
        R: Body,
    {
        service
    }
    is_service::<_, B, R, S::Error>(OutcomeRoutingLayer::new(router).layer(inner))
}

/// The whole stack, with what its two layers need.
fn generic_stack<S, B, R>(
    router: OutcomeRouter,
    inner: S,
) -> impl Service<Request<B>, Response = Response<ResponseBody<R>>, Error = S::Error> + Clone
where
    S: Service<Request<RequestBody<RequestBody<B>>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    FailoverLayer::new(router.clone()).layer(OutcomeRoutingLayer::new(router).layer(inner))
}

/// Shadows run on their own: what they take with them has to be sent.
fn generic_shadowed_stack<S, B, R>(
    router: OutcomeRouter,
    inner: S,
) -> impl Service<Request<B>, Response = Response<ResponseBody<R>>, Error = S::Error> + Clone
where
    S: Service<Request<RequestBody<RequestBody<RequestBody<B>>>>, Response = Response<R>>,
    S: Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    let routing = OutcomeRoutingLayer::new(router.clone()).layer(inner);
    let shadowed = ShadowLayer::new(router.clone()).layer(routing);
    FailoverLayer::new(router).layer(shadowed)
}

fn router() -> OutcomeRouter {
    OutcomeRouter::builder().model("a").build().unwrap()
}

#[tokio::test]
async fn an_inner_service_that_is_not_sync_works() {
    let service = generic::<_, Awkward, Awkward>(router(), Client::default());
    assert!(
        service
            .clone()
            .oneshot(Request::new(Awkward::default()))
            .await
            .is_ok()
    );
    let stack = generic_stack::<_, Awkward, Awkward>(router(), Client::default());
    assert!(
        stack
            .oneshot(Request::new(Awkward::default()))
            .await
            .is_ok()
    );

    let stack = generic_shadowed_stack::<_, Awkward, Awkward>(router(), Client::default());
    assert!(
        stack
            .oneshot(Request::new(Awkward::default()))
            .await
            .is_ok()
    );

    let call = service.oneshot(Request::new(Awkward::default()));
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert!(tokio::spawn(is_send(call)).await.is_ok());
}
