//! The line to a web hook: HTTP/1.1 over connections that are kept, and what counts as an answer.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use loka_api::runtime_config::{Endpoint, Webhook, WebhookTls};
use serde::Deserialize;

use super::super::GateSeams;
use super::CONNECTIONS_MAX;
use crate::tls::TlsError;
use crate::tls::pool::PoolTerms;
use crate::transport::{Dial, Transport};
use crate::workers::Tasks;

/// An answer is a few bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The way to a hook, and the connections to it that nobody uses now.
pub(super) struct Line {
    endpoint: Endpoint,
    path: String,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    tls: Option<Result<PoolTerms, TlsError>>,
    dial: Arc<dyn Dial>,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("the hook's answer cannot be read: {0}")]
    Answer(String),
    #[error("the hook cannot be reached: {0}")]
    Connect(#[source] io::Error),
    #[error("the hook broke off: {0}")]
    Http(#[source] hyper::Error),
    #[error("no answer of the hook within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("the hook answered with status {0}")]
    Status(StatusCode),
    #[error("no TLS with the hook: {0}")]
    Tls(String),
}

#[derive(Deserialize)]
struct Answer {
    allow: bool,
}

// === impl Line ===

impl Line {
    pub(super) fn new(wanted: &Webhook, seams: &GateSeams<'_>) -> Self {
        let Webhook { endpoint, path, tls, token, .. } = wanted;
        let Endpoint { host, port } = endpoint;
        let host = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        // Each text was checked when the configuration was loaded.
        let header = |text: &str| HeaderValue::from_str(text).ok();
        let authorization = token.as_ref().and_then(|token| {
            let mut value = header(&format!("Bearer {}", token.expose()))?;
            value.set_sensitive(true);
            Some(value)
        });
        Self {
            endpoint: endpoint.clone(),
            path: path.clone(),
            host: header(&host).unwrap_or(HeaderValue::from_static("hook")),
            authorization,
            tls: tls
                .as_ref()
                .map(|WebhookTls { ca_pem }| PoolTerms::of_server(ca_pem.as_ref(), seams.clock)),
            dial: Arc::clone(seams.dial),
            idle: Mutex::default(),
        }
    }

    /// Whether the login is let in. A connection that was kept may have been closed meanwhile: then on a new one.
    pub(super) async fn ask(&self, body: String, tasks: &Tasks) -> Result<bool, HookError> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut kept) = kept
            && kept.ready().await.is_ok()
        {
            match self.ask_by(kept, body.clone()).await {
                Err(HookError::Http(error)) if error.is_canceled() || error.is_closed() => {}
                Err(HookError::Http(error)) if error.is_incomplete_message() => {}
                answer => return answer,
            }
        }
        let fresh = self.connect(tasks).await?;
        self.ask_by(fresh, body).await
    }

    async fn ask_by(&self, mut by: SendRequest<Body>, body: String) -> Result<bool, HookError> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        let path = self.path.parse();
        *request.uri_mut() = path.map_err(|_| HookError::Answer("no such path".to_owned()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("stratum-proxy"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let response = by.send_request(request).await.map_err(HookError::Http)?;
        let status = response.status();
        let body = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        let body = body.map_err(|error| HookError::Answer(error.to_string()))?;
        self.keep(by);
        if status != StatusCode::OK {
            return Err(HookError::Status(status));
        }
        // What it said is not repeated: it may hold what it was asked.
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| HookError::Answer("it is not like {\"allow\": true}".to_owned()))?;
        Ok(answer.allow)
    }

    fn keep(&self, line: SendRequest<Body>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < CONNECTIONS_MAX && !line.is_closed() {
            idle.push(line);
        }
    }

    async fn connect(&self, tasks: &Tasks) -> Result<SendRequest<Body>, HookError> {
        let Endpoint { host, port } = &self.endpoint;
        let stream = self.dial.dial(host, *port).await.map_err(HookError::Connect)?;
        let stream: Box<dyn Transport> = match &self.tls {
            None => stream,
            Some(Err(error)) => return Err(HookError::Tls(error.to_string())),
            Some(Ok(terms)) => {
                let stream = terms.connect(host, stream).await;
                Box::new(stream.map_err(|failure| HookError::Tls(failure.detail))?)
            }
        };
        let (line, connection) = handshake(TokioIo::new(stream)).await.map_err(HookError::Http)?;
        // It ends with the last who could send on it; what it ends with is told by the answer that does not come.
        tasks.spawn(async move { connection.await.unwrap_or_default() });
        Ok(line)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
