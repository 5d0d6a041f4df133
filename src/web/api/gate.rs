//! The way into each operation: who calls, how often, with what; and calls that come again with their idempotency key.
//!
//! Rules: nothing of a request is read before its token is known, so that strangers cost one look-up, and some of them a record. A token's requests are counted in
//! this process. A call with an idempotency key goes on when its client has gone, so that there is an answer when he comes again.
//! When it fails: a problem document.

use super::super::Shared;
use super::super::origin;
use super::super::problem::Problem;
use super::logins::From;
use super::shape::Fields;
use super::{Again, Call, Operation, Reply, Verb};
use crate::config::RateLimit;
use crate::ingress::{Answer, Rate, Table};
use crate::relay::{Account, NotLetIn, Once, Scope};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, Query, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest idempotency key.
pub(super) const KEY_MAX: usize = 255;
/// Tokens whose requests are counted.
const TOKENS: usize = 4096;

/// How many requests came by which token.
pub(in crate::web) struct Requests {
    rate: Option<Rate>,
    table: Mutex<Table>,
    began: Instant,
}

impl Requests {
    pub fn new(limit: Option<RateLimit>) -> Self {
        let rate = limit.map(|limit| Rate::new(limit.amount, limit.window));
        Self { rate, table: Mutex::new(Table::new(TOKENS)), began: Instant::now() }
    }

    /// Takes so many.
    pub fn take(&self, token: i64, cost: u64) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = table.key(token);
        match rate.ask(table.paid_until(key), now, cost) {
            Answer::Taken { paid_until, .. } => {
                table.set(key, paid_until, now);
                Ok(())
            }
            Answer::Wait { ms } => {
                let detail = "this token asks too often; go on when the time in Retry-After is over";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail);
                Err(problem.again_in(ms.div_ceil(1000)))
            }
        }
    }
}

/// Answers one request.
pub(super) async fn serve(
    operation: &'static Operation,
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    admit(operation, shared, peer, params, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn admit(
    operation: &'static Operation,
    shared: Arc<Shared>,
    peer: SocketAddr,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Result<Response, Problem> {
    // The API takes nothing where user information may not be stored.
    if shared.relay.is_halted() {
        let detail = "this installation takes nothing just now; try the same again later";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Nothing is taken", detail));
    }
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let origin = origin::of(peer.ip(), headers, &shared.proxies);
    let secret = bearer(headers);
    let token = authorize(&shared, secret, operation.scope, From::of(origin, peer.ip())).await?;
    let secret = secret.unwrap_or_default();
    shared.requests.take(token, 1)?;
    let path: Vec<String> = match &params {
        Ok(params) => params.iter().map(|(_, value)| value.to_owned()).collect(),
        Err(_) => {
            let detail = "the parts of the path are UTF-8, percent-encoded; / is %2F";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "The path is malformed", detail));
        }
    };
    let query = Fields::of_query(operation.query, pairs(&parts.uri)?)?;
    let (octets, body) = match operation.body {
        Some(fields) => {
            let octets = read(headers, body, operation.most).await?;
            let body = Fields::of_body(fields, &octets)?;
            (octets, body)
        }
        None => (Bytes::new(), Fields::default()),
    };
    // Who called is behind a token; the account is that of this process.
    let account = Account { uid: rustix::process::getuid().as_raw(), login: None, from: origin };
    let call = Call { shared: Arc::clone(&shared), token, account, path, query, body };
    let Some(key) = idempotency_key(headers, operation.verb)? else {
        return Ok((operation.run)(call)
            .await
            .map_or_else(IntoResponse::into_response, Reply::into_response));
    };
    let target = parts.uri.to_string();
    let said: [&[u8]; 3] = [operation.verb.word().as_bytes(), target.as_bytes(), &octets];
    once(operation, call, (token, secret.to_owned()), &key, &said).await
}

/// Makes a call once.
async fn once(
    operation: &'static Operation,
    call: Call,
    (token, secret): (i64, String),
    key: &str,
    said: &[&[u8]],
) -> Result<Response, Problem> {
    let shared = Arc::clone(&call.shared);
    let first = match shared.relay.begin_call((token, &secret), key, said).await? {
        Once::First(first) => first,
        // It changes nothing when it is made again.
        Once::UnderWay | Once::Again(_, _) if operation.again == Again::Made => {
            return Ok((operation.run)(call)
                .await
                .map_or_else(IntoResponse::into_response, Reply::into_response));
        }
        Once::UnderWay => {
            let detail =
                "Idempotency-Key: the call with this key is under way; ask for its answer in a moment";
            return Err(Problem::new(StatusCode::CONFLICT, "It is under way", detail).again_in(1));
        }
        Once::Other => {
            let detail = "Idempotency-Key: it came with another method, path or body before; a new call takes a new key";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Another call had this key", detail));
        }
        Once::Again(status, answer) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = whole(status, answer);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(response);
        }
    };
    // It goes on when the client has gone.
    let made = tokio::spawn(async move {
        let run = operation.run;
        let (status, answer, response) = match run(call).await {
            Ok(reply) => (reply.status, reply.body.to_string(), reply.into_response()),
            Err(problem) => {
                let (status, body) = problem.told_json();
                (status, body.to_string(), problem.into_response())
            }
        };
        let kept = if operation.again == Again::Made { "" } else { answer.as_str() };
        let kept = shared.relay.end_call(first, &secret, status.as_u16(), kept.as_bytes()).await;
        if let Err(fault) = kept {
            // Made it is; who asks again within minutes is told that it is under way.
            tracing::error!(event = "fault", %fault, "the answer of an API request was not kept");
        }
        response
    });
    made.await.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Temporary fault",
            "a fault on our side; try again later",
        )
    })
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        whole(self.status, self.body.to_string().into_bytes())
    }
}

/// A response of JSON; a problem where its status says so.
fn whole(status: StatusCode, body: Vec<u8>) -> Response {
    let is_problem = status.is_client_error() || status.is_server_error();
    let media = if is_problem { "application/problem+json" } else { "application/json" };
    (status, [(header::CONTENT_TYPE, media)], body).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized() -> Problem {
    let detail = "send Authorization: Bearer TOKEN; make a token with `anshin token add`";
    Problem::new(StatusCode::UNAUTHORIZED, "Not authorized", detail)
}

/// The id of the token, where it has the scope. Either way the log has it before anything is answered.
async fn authorize(shared: &Shared, token: Option<&str>, scope: Scope, from: From) -> Result<i64, Problem> {
    let found = match token {
        Some(token) => shared.relay.token_holder(token).await?,
        None => None,
    };
    let (why, problem) = match found {
        Some(holder) if holder.has(scope) => {
            shared.logins.used(shared, holder.id, scope, from).await?;
            return Ok(holder.id);
        }
        Some(holder) => {
            let detail = format!("this token lacks the scope {}", scope.as_str());
            (NotLetIn::Scope(holder.id), Problem::new(StatusCode::FORBIDDEN, "Not allowed", detail))
        }
        None if token.is_none() => (NotLetIn::NoToken, unauthorized()),
        None => (NotLetIn::Unknown, unauthorized()),
    };
    shared.logins.refused(shared, why, scope, from).await?;
    Err(problem)
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).map_err(|_| {
        let detail = "the parameters are percent-encoded UTF-8";
        Problem::new(StatusCode::BAD_REQUEST, "The parameters are malformed", detail)
    })
}

/// The octets of a body of JSON.
async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Problem> {
    let media = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let is_json = |media: &str| {
        media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
    };
    if !media.is_none_or(is_json) {
        let detail = "send Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another type", detail));
    }
    to_bytes(body, most).await.map_err(|_| {
        let detail = format!("a body is at most {most} octets here, and comes whole");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body can't be read", detail)
    })
}

/// The idempotency key of a call that changes something.
fn idempotency_key(headers: &HeaderMap, verb: Verb) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY).filter(|_| verb != Verb::Get) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(Some(text.to_owned()));
    }
    let detail = format!("Idempotency-Key: 1 to {KEY_MAX} printable ASCII characters");
    Err(Problem::new(StatusCode::BAD_REQUEST, "The header is malformed", detail))
}
