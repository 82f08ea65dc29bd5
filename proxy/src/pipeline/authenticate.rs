//! Whom a listener lets in. Who is refused is told so on a connection that stays: one wrong password is a mistake, and a miner
//! with several names may have others that are right. A decision that takes time is waited for, and nothing is read meanwhile.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use loka_stratum::downstream::WORKERS_MAX;
use loka_stratum::message::ClientMessage;
use loka_stratum::rpc::RejectCode;

use super::{Conduct, Flow, Judgement, Message, Phase, Refusal, Scene};
use crate::logins::{Answer, Asked, Decision, Gate, Login, Proof};
use crate::telemetry::MinerEvent;
use crate::telemetry::blame::Blame;
use crate::telemetry::reasons::{CloseReason, LoginRefusal, Offence};

/// Refused logins of one connection that are nobody's fault.
const REFUSED_FREE: u8 = 3;

/// After so many the connection is of no use to anybody.
const REFUSED_MAX: u8 = 16;

/// What a connection is let in by; no room of its own where all are.
#[derive(Debug)]
pub(super) struct State(Option<Box<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    pending: Option<Pending>,
    /// What let its names in, as far as that can be taken back.
    proofs: Vec<Proof>,
    /// The list that the proofs were last looked up in.
    epoch: u32,
    refused: u8,
}

/// A decision that is on its way.
#[derive(Debug)]
struct Pending {
    answer: Answer,
    arrived: Option<Decision>,
    until: Instant,
    /// Of the gate that was asked.
    epoch: u32,
}

// === impl Pending ===

impl Pending {
    /// What was decided; none while there is still time.
    fn settled(&mut self, now: Instant) -> Option<Decision> {
        let overdue = || (now >= self.until).then(|| self.answer.overdue());
        self.arrived.take().or_else(overdue)
    }
}

// === impl State ===

impl State {
    fn ask(&mut self, scene: &Scene<'_>, gate: &Gate, login: &Login<'_>) -> Flow {
        let kept = self.0.get_or_insert_default();
        if kept.refused >= REFUSED_MAX {
            return Flow::Close(CloseReason::LoginsRefused);
        }
        // Asked of a list that is not the listener's any more.
        kept.pending.take_if(|pending| pending.epoch != gate.epoch());
        let decision = match &mut kept.pending {
            Some(pending) => match pending.settled(scene.now) {
                Some(decision) => decision,
                None => return Flow::Wait(pending.until),
            },
            None => match gate.ask(scene.now, login, scene.pool) {
                Asked::Known(decision) => decision,
                Asked::Later(answer) => {
                    let (until, epoch) = (scene.now + answer.patience(), gate.epoch());
                    kept.pending = Some(Pending { answer, arrived: None, until, epoch });
                    return Flow::Wait(until);
                }
            },
        };
        kept.pending = None;
        match decision {
            Decision::In(proof) => kept.let_in(gate, proof),
            Decision::Out(reason) => kept.refuse(scene, login, reason),
        }
    }
}

// === impl Kept ===

impl Kept {
    fn let_in(&mut self, gate: &Gate, proof: Option<Proof>) -> Flow {
        let Some(proof) = proof.filter(|proof| !self.proofs.contains(proof)) else {
            return Flow::GoOn;
        };
        if self.proofs.len() >= WORKERS_MAX {
            let text = "Too many logins on one connection";
            return Flow::Refuse(Refusal::new(RejectCode::Unauthorized, text));
        }
        self.epoch = gate.epoch();
        self.proofs.push(proof);
        Flow::GoOn
    }

    fn refuse(&mut self, scene: &Scene<'_>, login: &Login<'_>, reason: LoginRefusal) -> Flow {
        let Scene { listener, peer, telemetry, .. } = *scene;
        let worker = login.worker;
        telemetry.emit(MinerEvent::LoginRefused { listener, peer, worker, reason });
        let text = match reason {
            LoginRefusal::Busy => "Too many logins at once, try again",
            LoginRefusal::HookFailed => "Logins cannot be checked now, try again",
            LoginRefusal::Hook
            | LoginRefusal::Password
            | LoginRefusal::Pool
            | LoginRefusal::Unknown => "Unauthorized worker",
        };
        let is_its_own = reason.finding().blame == Blame::Miner;
        if is_its_own {
            self.refused += 1;
        }
        let blame = (is_its_own && self.refused > REFUSED_FREE).then_some(Offence::Logins);
        Flow::Refuse(Refusal { blame, ..Refusal::new(RejectCode::Unauthorized, text) })
    }
}

impl Phase for State {
    fn begin(_now: Instant, _conduct: &Conduct) -> Self {
        Self(None)
    }

    fn message(&mut self, scene: &Scene<'_>, message: &Message<'_>) -> Flow {
        let Some(gate) = &scene.conduct.gate else {
            if let Some(kept) = &mut self.0 {
                kept.pending = None;
            }
            return Flow::GoOn;
        };
        let Ok(request) = message.said else { return Flow::GoOn };
        let ClientMessage::Authorize { worker, password } = &request.message else {
            return Flow::GoOn;
        };
        let login = Login {
            listener: scene.listener,
            worker: worker.as_str(),
            password: password.without_wishes(),
            address: scene.peer.ip(),
            user_agent: scene.machine.user_agent().unwrap_or_default(),
        };
        self.ask(scene, gate, &login)
    }

    /// Whoever was let in by what is not in the list any more has to go: the list says who may mine, and who is struck from
    /// it may not.
    fn terms(&mut self, scene: &Scene<'_>) -> Judgement {
        let (Some(kept), Some(gate)) = (&mut self.0, &scene.conduct.gate) else {
            return Judgement::Fine;
        };
        if kept.epoch == gate.epoch() || kept.proofs.is_empty() {
            return Judgement::Fine;
        }
        kept.epoch = gate.epoch();
        match kept.proofs.iter().all(|proof| gate.still_has(*proof)) {
            true => Judgement::Fine,
            false => Judgement::Close(CloseReason::LoginRevoked),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pending) = self.0.as_mut().and_then(|kept| kept.pending.as_mut()) else {
            return Poll::Pending;
        };
        if pending.arrived.is_none() {
            pending.arrived = Some(ready!(pending.answer.poll(cx)));
        }
        Poll::Ready(())
    }
}
