//! The phases that every message of a miner goes through, in one order: what looks at a message before the machine does, and
//! at what the machine made of it. A phase decides and keeps what it must of one miner; the session carries out.
//!
//! A phase is one file below this one, with the state that it keeps of a miner, and one name in the list `phases`. Which
//! shares are good and where they go is the machine's: no phase drops one. A phase that has enough of a miner stops reading.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use loka_stratum::downstream::{Downstream, Event};
use loka_stratum::message::{ClientRequest, MalformedRequest};
use loka_stratum::rpc::RejectCode;

use crate::logins::Gate;
use crate::tallies::Tallies;
use crate::telemetry::Telemetry;
use crate::telemetry::reasons::{CloseReason, Offence};
use crate::upstream::PoolHandle;
use crate::wire::Greeting;

mod authenticate;
mod judge;
mod limit;
mod observe;
mod sanitise;
mod workers;

/// What a listener asks of its miners' messages.
#[derive(Clone, Debug)]
pub(crate) struct Conduct {
    pub(crate) pace: Pace,
    /// Bounds for single names; none if there are none.
    pub(crate) tallies: Option<Arc<Tallies>>,
    /// Who decides whom it lets in; none if all may.
    pub(crate) gate: Option<Arc<Gate>>,
}

/// How many lines a miner may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// What a phase may look at, at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) now: Instant,
    pub(crate) listener: &'a str,
    pub(crate) peer: SocketAddr,
    pub(crate) conduct: &'a Conduct,
    /// Who the miner is, as far as it has told.
    pub(crate) machine: &'a Downstream,
    pub(crate) telemetry: &'a Telemetry,
    /// That the miner would mine on; looked up only where it may be asked for.
    pub(crate) pool: Option<&'a PoolHandle>,
}

/// One line of a miner.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) line: &'a [u8],
    pub(crate) said: &'a Result<ClientRequest<'a>, MalformedRequest>,
}

/// What the machine made of what a miner sent.
#[derive(Clone, Copy)]
pub(crate) enum Outcome<'a> {
    /// A share that a pool pays.
    Due,
    Event(&'a Event),
}

/// What a phase wants done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Close(CloseReason),
    /// To the next phase, and after the last to the machine.
    GoOn,
    /// An error instead of what was asked for. Never of a share that a pool might pay: that waits.
    Refuse(Refusal),
    /// To be asked again at this time, or sooner if it says so. Nothing is read from the miner until then.
    Wait(Instant),
}

/// What a phase thinks of a miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Whoever is at this address did what no miner does.
    Blame(Offence),
    Close(CloseReason),
    Fine,
}

/// What a message is answered with that goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: RejectCode,
    pub(crate) text: &'static str,
    /// Whether the address is to blame.
    pub(crate) blame: Option<Offence>,
}

/// How many phases a message has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Passed(u8);

/// What a phase does; where it does not say, nothing.
trait Phase {
    /// For a miner that has just connected.
    fn begin(now: Instant, conduct: &Conduct) -> Self;

    /// Bytes have come, which may be no line yet.
    fn greeted(&mut self, _scene: &Scene<'_>, _greeting: Greeting) -> Judgement {
        Judgement::Fine
    }

    /// Whether the next line may be taken, or when.
    fn ready(&mut self, _scene: &Scene<'_>) -> Result<(), Instant> {
        Ok(())
    }

    /// It was not there yet.
    fn absent(&mut self) {}

    /// A message, before the machine has it.
    fn message(&mut self, _scene: &Scene<'_>, _message: &Message<'_>) -> Flow {
        Flow::GoOn
    }

    /// What the machine made of it.
    fn outcome(&mut self, _scene: &Scene<'_>, _outcome: Outcome<'_>) -> Judgement {
        Judgement::Fine
    }

    /// The listener's terms may have changed.
    fn terms(&mut self, _scene: &Scene<'_>) -> Judgement {
        Judgement::Fine
    }

    /// Whether it is to be asked again before the time that it gave.
    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// The phases, in the order in which a message passes them. Each is the file of its name.
macro_rules! phases {
    ($($phase:ident),+ $(,)?) => {
        /// What all phases keep of one miner.
        #[derive(Debug)]
        pub(crate) struct Pipeline {
            $($phase: $phase::State,)+
        }

        impl Pipeline {
            #[cfg(test)]
            const NAMES: &[&str] = &[$(stringify!($phase)),+];

            pub(crate) fn begin(now: Instant, conduct: &Conduct) -> Self {
                Self { $($phase: Phase::begin(now, conduct),)+ }
            }

            pub(crate) fn greeted(&mut self, scene: &Scene<'_>, greeting: Greeting) -> Judgement {
                $(match self.$phase.greeted(scene, greeting) {
                    Judgement::Fine => {}
                    judgement => return judgement,
                })+
                Judgement::Fine
            }

            /// Whether the next line may be taken, or when.
            pub(crate) fn ready(&mut self, scene: &Scene<'_>) -> Result<(), Instant> {
                $(self.$phase.ready(scene)?;)+
                Ok(())
            }

            /// There was none.
            pub(crate) fn absent(&mut self) {
                $(self.$phase.absent();)+
            }

            /// A message on its way, which has passed some phases before it had to wait.
            pub(crate) fn message(
                &mut self,
                scene: &Scene<'_>,
                message: &Message<'_>,
                passed: &mut Passed,
            ) -> Flow {
                let mut place = 0;
                $(if place >= passed.0 {
                    match self.$phase.message(scene, message) {
                        Flow::GoOn => {}
                        flow => {
                            *passed = Passed(place);
                            return flow;
                        }
                    }
                }
                place += 1;)+
                *passed = Passed(place);
                Flow::GoOn
            }

            /// What became of it. Every phase is told; the first that has something to say is heeded.
            pub(crate) fn outcome(&mut self, scene: &Scene<'_>, outcome: Outcome<'_>) -> Judgement {
                let mut judgement = Judgement::Fine;
                $(let said = self.$phase.outcome(scene, outcome);
                if judgement == Judgement::Fine {
                    judgement = said;
                })+
                judgement
            }

            pub(crate) fn terms(&mut self, scene: &Scene<'_>) -> Judgement {
                $(match self.$phase.terms(scene) {
                    Judgement::Fine => {}
                    judgement => return judgement,
                })+
                Judgement::Fine
            }

            pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
                $(if self.$phase.poll(cx).is_ready() {
                    return Poll::Ready(());
                })+
                Poll::Pending
            }
        }
    };
}

phases![sanitise, limit, workers, authenticate, judge, observe];

// === impl Refusal ===

impl Refusal {
    pub(crate) const fn new(code: RejectCode, text: &'static str) -> Self {
        Self { code, text, blame: None }
    }
}

// Below the list, so that a test can make one of its own.
#[cfg(test)]
mod tests;
