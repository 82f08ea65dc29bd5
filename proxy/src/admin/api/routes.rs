//! What each path answers. JSON in and out, errors as well: `{"error": …, "remedy": …}`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use loka_api::values::DurationText;
use loka_ops::admin::Peer;
use serde::Deserialize;
use serde_json::json;

use super::auth::{Keys, Who};
use crate::admin::acts::{
    Act, Acting, BAN_FOR, Blame, Change, LOG_LEVEL_FOR, PAGE_MAX, Refusal, SessionsWanted, Shares,
    Worker,
};
use crate::admin::status::StatusSource;
use crate::telemetry::reasons::{ActResult, AdminDenied};
use crate::telemetry::{AdminEvent, Telemetry};

/// Bytes of what is posted.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Names are shorter.
const NAME_BYTES_MAX: usize = 512;

const PATHS: &str = "GET /v1/status, /v1/sessions, /v1/sessions/ID, /v1/workers/NAME, /v1/bans, /v1/log-level; \
    DELETE /v1/sessions/ID, /v1/workers/NAME, /v1/bans/ADDRESS, /v1/routes/NAME/pin, /v1/listeners/NAME/drain, \
    /v1/log-level; POST /v1/bans, /v1/routes/NAME/pin, /v1/listeners/NAME/drain, /v1/drain, /v1/log-level";

#[derive(Clone)]
struct Api {
    acting: Arc<dyn Acting>,
    status: Arc<dyn StatusSource>,
    keys: Keys,
    telemetry: Telemetry,
}

/// Who asks, once he was let in.
#[derive(Clone, Copy, Debug)]
struct Asker {
    who: Who,
    from: IpAddr,
}

/// Whose ban, and for how long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BanBody {
    address: IpAddr,
    #[serde(rename = "for")]
    lasts: String,
    listener: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinBody {
    pool: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLevelBody {
    level: String,
    #[serde(rename = "for")]
    lasts: String,
}

/// Nothing is to be said, and what is said is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoBody {}

/// What each path answers to whoever `keys` let in.
pub fn router(
    acting: Arc<dyn Acting>,
    status: Arc<dyn StatusSource>,
    keys: Keys,
    telemetry: Telemetry,
) -> Router {
    let api = Api { acting, status, keys, telemetry };
    Router::new()
        .route("/v1/status", routing::get(status_page))
        .route("/v1/sessions", routing::get(sessions))
        .route("/v1/sessions/{id}", routing::get(session).delete(kick))
        .route("/v1/workers/{name}", routing::get(worker).delete(kick_worker))
        .route("/v1/bans", routing::get(bans).post(ban))
        .route("/v1/bans/{address}", routing::delete(pardon))
        .route("/v1/routes/{name}/pin", routing::post(pin).delete(unpin))
        .route("/v1/listeners/{name}/drain", routing::post(drain_listener).delete(resume))
        .route("/v1/drain", routing::post(drain))
        .route("/v1/log-level", routing::get(log_level).post(set_log_level).delete(log_level_back))
        .fallback(async || refused(&Refusal::missing("there is no such path", PATHS)))
        .method_not_allowed_fallback(async || {
            let refusal = Refusal::asked("this is not done at this path", PATHS);
            (StatusCode::METHOD_NOT_ALLOWED, Json(refusal)).into_response()
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(api.clone(), let_in))
        .with_state(api)
}

/// Before every path, those that there are not included.
async fn let_in(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    // Without it the server is put together wrongly; then nobody is let in.
    let peer = peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    let from = peer.ip().to_canonical();
    match api.keys.admit(peer, request.headers()) {
        Ok(who) => {
            request.extensions_mut().insert(Asker { who, from });
            next.run(request).await
        }
        Err(reason) => {
            api.telemetry.emit(AdminEvent::Denied { from, reason });
            denied(reason)
        }
    }
}

fn denied(reason: AdminDenied) -> Response {
    let code = match reason {
        AdminDenied::NoToken | AdminDenied::WrongToken => StatusCode::UNAUTHORIZED,
        AdminDenied::TooMany => StatusCode::TOO_MANY_REQUESTS,
        AdminDenied::ForeignHost
        | AdminDenied::ForeignOrigin
        | AdminDenied::NoTokenFile
        | AdminDenied::TokenFile => StatusCode::FORBIDDEN,
    };
    let error = format!("not let in: {reason}");
    (code, Json(json!({ "error": error, "remedy": reason.remedy() }))).into_response()
}

fn refused(refusal: &Refusal) -> Response {
    let code = match refusal.blame {
        Blame::Asked => StatusCode::UNPROCESSABLE_ENTITY,
        Blame::Missing => StatusCode::NOT_FOUND,
        Blame::State => StatusCode::CONFLICT,
    };
    (code, Json(refusal)).into_response()
}

impl Api {
    /// Does it, and says so.
    async fn act(&self, asker: Asker, act: Act) -> Response {
        let done = self.acting.act(&act).await;
        let (result, detail) = match &done {
            Ok(said) => (ActResult::Done, said.as_str()),
            Err(refusal) => (ActResult::Refused, refusal.error.as_str()),
        };
        let (who, from, on) = (asker.who.label(), asker.from, act.subject());
        let act = act.kind();
        self.telemetry.emit(AdminEvent::Acted { who, from, act, on: &on, result, detail });
        match &done {
            Ok(said) => Json(json!({ "done": said })).into_response(),
            Err(refusal) => refused(refusal),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _state: &S,
    ) -> Result<Self, StatusCode> {
        // The layer before every path has put it there.
        parts.extensions.get().copied().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        refused(&self)
    }
}

/// A name in a path, or why it is none.
fn name(path: Result<Path<String>, PathRejection>) -> Result<String, Refusal> {
    let unreadable = |error: String| Refusal::asked(error, "write it as URLs have it");
    let Path(name) = path.map_err(|error| unreadable(error.body_text()))?;
    match name.len() <= NAME_BYTES_MAX {
        true => Ok(name),
        false => Err(unreadable(format!("the name has {} bytes", name.len()))),
    }
}

fn number(path: Result<Path<String>, PathRejection>) -> Result<u64, Refusal> {
    let text = name(path)?;
    let remedy = "give the number of a session, as /v1/sessions shows it";
    text.parse().map_err(|_| Refusal::asked(format!("{text:?} is no number"), remedy))
}

fn address(text: &str) -> Result<IpAddr, Refusal> {
    let remedy = "give an address, such as 192.0.2.7 or 2001:db8::7";
    text.parse().map_err(|_| Refusal::asked(format!("{text:?} is no address"), remedy))
}

fn body<T>(posted: Result<Json<T>, JsonRejection>) -> Result<T, Refusal> {
    posted.map(|Json(body)| body).map_err(|error| {
        let remedy = "send JSON with the fields of docs/operations.md, as application/json";
        Refusal::asked(error.body_text(), remedy)
    })
}

/// A time within bounds, as documents write it.
fn lasts(text: &str, (min, max): (Duration, Duration)) -> Result<Duration, Refusal> {
    let parsed = DurationText::from(text).duration();
    let remedy = format!(
        "give a time such as 90s, 10m or 1h, from {}s to {}h",
        min.as_secs(),
        max.as_secs() / 3600
    );
    match parsed {
        Ok(time) if (min..=max).contains(&time) => Ok(time),
        Ok(_) | Err(_) => Err(Refusal::asked(format!("{text:?} is no time for it"), remedy)),
    }
}

async fn status_page(State(api): State<Api>) -> Response {
    Json(api.status.status()).into_response()
}

async fn sessions(
    State(api): State<Api>,
    wanted: Result<Query<SessionsWanted>, QueryRejection>,
) -> Response {
    match wanted {
        Ok(Query(wanted)) => Json(api.acting.sessions(&wanted)).into_response(),
        Err(error) => {
            let remedy =
                format!("ask by listener, worker, address, after and limit (up to {PAGE_MAX})");
            refused(&Refusal::asked(error.body_text(), remedy))
        }
    }
}

async fn session(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = number(path)?;
    let session = api.acting.session(id).ok_or_else(|| Refusal::no_session(id))?;
    Ok(Json(session).into_response())
}

async fn worker(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let name = name(path)?;
    let limit = Some(PAGE_MAX);
    let wanted = SessionsWanted { worker: Some(name.clone()), limit, ..SessionsWanted::default() };
    let connections = api.acting.sessions(&wanted).sessions;
    if connections.is_empty() {
        return Err(Refusal::no_worker(&name));
    }
    let hashrate = connections.iter().map(|session| session.hashrate).sum();
    let shares: Shares = connections.iter().map(|session| session.shares).sum();
    Ok(Json(Worker { name, hashrate, shares, connections }).into_response())
}

async fn kick(
    State(api): State<Api>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let session = number(path)?;
    Ok(api.act(asker, Act::Kick { session }).await)
}

async fn kick_worker(
    State(api): State<Api>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let worker = name(path)?;
    Ok(api.act(asker, Act::KickWorker { worker }).await)
}

async fn bans(State(api): State<Api>) -> Response {
    Json(json!({ "bans": api.acting.bans() })).into_response()
}

async fn ban(
    State(api): State<Api>,
    asker: Asker,
    posted: Result<Json<BanBody>, JsonRejection>,
) -> Result<Response, Refusal> {
    let BanBody { address, lasts: written, listener } = body(posted)?;
    let lasts = lasts(&written, BAN_FOR)?;
    Ok(api.act(asker, Act::Ban { address, lasts, listener }).await)
}

async fn pardon(
    State(api): State<Api>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let address = address(&name(path)?)?;
    Ok(api.act(asker, Act::Pardon { address }).await)
}

async fn pin(
    State(api): State<Api>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    posted: Result<Json<PinBody>, JsonRejection>,
) -> Result<Response, Refusal> {
    let route = name(path)?;
    let PinBody { pool } = body(posted)?;
    Ok(api.act(asker, Act::Change(Change::Pin { route, pool })).await)
}

async fn unpin(
    State(api): State<Api>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let route = name(path)?;
    Ok(api.act(asker, Act::Change(Change::Unpin { route })).await)
}

async fn drain(
    State(api): State<Api>,
    asker: Asker,
    posted: Result<Json<NoBody>, JsonRejection>,
) -> Result<Response, Refusal> {
    let NoBody {} = body(posted)?;
    Ok(api.act(asker, Act::Drain).await)
}

async fn drain_listener(
    State(api): State<Api>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
    posted: Result<Json<NoBody>, JsonRejection>,
) -> Result<Response, Refusal> {
    let listener = name(path)?;
    let NoBody {} = body(posted)?;
    Ok(api.act(asker, Act::Change(Change::DrainListener { listener })).await)
}

async fn resume(
    State(api): State<Api>,
    asker: Asker,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let listener = name(path)?;
    Ok(api.act(asker, Act::Change(Change::Resume { listener })).await)
}

async fn log_level(State(api): State<Api>) -> Response {
    Json(api.acting.log_level()).into_response()
}

async fn set_log_level(
    State(api): State<Api>,
    asker: Asker,
    posted: Result<Json<LogLevelBody>, JsonRejection>,
) -> Result<Response, Refusal> {
    let LogLevelBody { level, lasts: written } = body(posted)?;
    let lasts = lasts(&written, LOG_LEVEL_FOR)?;
    Ok(api.act(asker, Act::Change(Change::LogLevel { level, lasts })).await)
}

async fn log_level_back(State(api): State<Api>, asker: Asker) -> Response {
    api.act(asker, Act::Change(Change::LogLevelBack)).await
}
