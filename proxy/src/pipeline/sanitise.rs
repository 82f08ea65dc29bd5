//! Who has the wrong port is not left waiting for an answer. What is inside of a message is the machine's to read.

use std::time::Instant;

use super::{Conduct, Judgement, Phase, Scene};
use crate::telemetry::reasons::CloseReason;
use crate::wire::Greeting;

/// Nothing: it looks at what is there.
#[derive(Debug)]
pub(super) struct State;

impl Phase for State {
    fn begin(_now: Instant, _conduct: &Conduct) -> Self {
        Self
    }

    fn greeted(&mut self, _scene: &Scene<'_>, greeting: Greeting) -> Judgement {
        match greeting {
            Greeting::Stratum => Judgement::Fine,
            Greeting::Foreign | Greeting::TlsAlert => Judgement::Close(CloseReason::NotStratum),
            Greeting::Http => Judgement::Close(CloseReason::Http),
            Greeting::ProxyHeader => Judgement::Close(CloseReason::ProxyHeaderForbidden),
            Greeting::Tls => Judgement::Close(CloseReason::TlsOnPlainPort),
        }
    }
}
