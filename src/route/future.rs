use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower::Service;

use super::{
    attempt::Attempt,
    collect::Collector,
    hold::Holding,
    prepare::{Handle, Prepared, Sending, Step, Upload},
    request_body::RequestBody,
    response_body::ResponseBody,
    waiting::Waiting,
};
use crate::{
    classify::Transport,
    dialect::{Dialect, Endpoint},
    router::OutcomeRouter,
};

pin_project! {
    /// The future of [`OutcomeRouting`](super::OutcomeRouting).
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
        R: Body,
    {
        router: OutcomeRouter,
        waiting: Arc<Waiting>,
        #[pin]
        state: State<S, B, S::Future, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F, R>
    where
        B: Body,
        R: Body,
    {
        // The body is read, to see which model it names.
        Collecting { upload: Option<Upload<S, B>> },
        // Nobody is free, but somebody soon will be.
        Waiting { prepared: Option<Box<Prepared<S>>>, sleep: Pin<Box<Sleep>> },
        // The service was given back meanwhile, and is not ready yet.
        Readying { sending: Option<Sending<S, B>> },
        // The attempt is under way.
        Calling { #[pin] future: F, attempt: Option<(Box<Attempt>, bool)> },
        // The head is there, and held.
        Holding { holding: Option<Holding<R>> },
        Done,
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes>,
    R: Body,
{
    pub(super) fn collecting(
        router: OutcomeRouter,
        waiting: Arc<Waiting>,
        service: S,
        parts: Parts,
        body: B,
        dialect: &'static dyn Dialect,
        endpoint: Endpoint,
    ) -> Self {
        let body = Collector::new(body, router.max_body());
        let handle = Handle {
            service,
            ready: true,
        };
        let upload = Some(Upload {
            handle,
            parts,
            body,
            dialect,
            endpoint,
        });
        Self {
            router,
            waiting,
            state: State::Collecting { upload },
        }
    }

    pub(super) fn passing(router: OutcomeRouter, waiting: Arc<Waiting>, future: S::Future) -> Self {
        Self {
            router,
            waiting,
            state: State::Calling {
                future,
                attempt: None,
            },
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Collecting { upload } => {
                    let Some(uploading) = upload else {
                        return Poll::Pending;
                    };
                    let collected = match uploading.body.poll(cx) {
                        Poll::Ready(collected) => collected,
                        Poll::Pending => {
                            // A slow upload must not hold a permit.
                            uploading.handle.give_back();
                            return Poll::Pending;
                        }
                    };
                    let Some(upload) = upload.take() else {
                        return Poll::Pending;
                    };
                    State::Readying {
                        sending: Some(upload.finish(collected.ok(), this.router)),
                    }
                }
                StateProj::Waiting { prepared, sleep } => {
                    ready!(sleep.as_mut().poll(cx));
                    State::Readying {
                        sending: prepared.take().map(Sending::Routed),
                    }
                }
                StateProj::Readying { sending } => {
                    let Some(waiting) = sending else {
                        return Poll::Pending;
                    };
                    if let Err(error) = ready!(waiting.handle().poll_ready(cx)) {
                        this.state.set(State::Done);
                        return Poll::Ready(Err(error));
                    }
                    let Some(sending) = sending.take() else {
                        return Poll::Pending;
                    };
                    match sending.step(this.router, this.waiting) {
                        Step::Send {
                            request,
                            mut handle,
                            attempt,
                        } => {
                            let future = {
                                let _inside = attempt.as_ref().map(|(it, _)| it.span().enter());
                                handle.service.call(request)
                            };
                            State::Calling { future, attempt }
                        }
                        Step::Wait { mut prepared, wait } => {
                            prepared.handle.give_back();
                            State::Waiting {
                                prepared: Some(prepared),
                                sleep: Box::pin(sleep(wait)),
                            }
                        }
                        Step::Refuse(response) => {
                            this.state.set(State::Done);
                            return Poll::Ready(Ok(response.map(ResponseBody::own)));
                        }
                    }
                }
                StateProj::Calling { future, attempt } => {
                    let polled = {
                        let _inside = attempt.as_ref().map(|(it, _)| it.span().enter());
                        future.poll(cx)
                    };
                    match (ready!(polled), attempt.take()) {
                        (Ok(mut response), Some((attempt, hold_back))) => {
                            attempt.announce(&mut response);
                            let now = this.router.now();
                            let holding = Holding::new(response, attempt, hold_back, now);
                            State::Holding {
                                holding: Some(holding),
                            }
                        }
                        (Ok(response), None) => {
                            this.state.set(State::Done);
                            return Poll::Ready(Ok(response.map(ResponseBody::untouched)));
                        }
                        (Err(error), attempt) => {
                            if let Some((attempt, _)) = attempt {
                                attempt.fail(Transport::of(&error));
                            }
                            this.state.set(State::Done);
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                StateProj::Holding { holding } => {
                    let Some(held) = holding else {
                        return Poll::Pending;
                    };
                    ready!(held.poll(this.router, cx));
                    let response = holding.take().map(Holding::release);
                    this.state.set(State::Done);
                    return response.map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
                #[allow(clippy::panic, reason = "the contract of Future")]
                StateProj::Done => panic!("ResponseFuture polled after completion"),
            };
            this.state.set(next);
        }
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body,
    R: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}
