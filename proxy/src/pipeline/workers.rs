//! How fast, and how often at once, one name may mine, over all of its connections to the listener. A share that a pool pays
//! does not count; who is too fast is read no further.

use std::sync::Arc;
use std::time::Instant;

use loka_stratum::downstream::Event;
use loka_stratum::message::ClientMessage;
use loka_stratum::rpc::RejectCode;

use super::{Conduct, Flow, Judgement, Message, Outcome, Phase, Refusal, Scene};
use crate::tallies::{Member, Tallies};

/// A connection's places in the tallies of its names; no room of its own where there are no such bounds.
#[derive(Debug)]
pub(super) struct State(Option<Box<Places>>);

#[derive(Debug, Default)]
struct Places {
    members: Vec<Member>,
    /// Whose token the share on its way has.
    taken: Option<usize>,
}

// === impl State ===

impl State {
    /// The place of `worker` among the members, made if it has none. None beyond the names that a connection may have.
    fn member(&mut self, scene: &Scene<'_>, tallies: &Arc<Tallies>, worker: &str) -> Option<usize> {
        let Places { members, taken: _ } = &mut **self.0.get_or_insert_default();
        // Another table has other bounds; whoever is in is counted there as well.
        members.retain(|member| member.is_of(tallies));
        let place_of = |members: &[Member], name: &str| members.iter().position(|it| it.is(name));
        if let Some(place) = place_of(members, worker) {
            return Some(place);
        }
        // As the machine knows it: a name with a control character more is the same name.
        let known = scene.machine.workers().iter().find(|name| name.matches(worker))?;
        if let Some(place) = place_of(members, known.as_str()) {
            return Some(place);
        }
        members.push(tallies.join(scene.now, known.as_str()));
        Some(members.len() - 1)
    }
}

impl Phase for State {
    fn begin(_now: Instant, _conduct: &Conduct) -> Self {
        Self(None)
    }

    fn message(&mut self, scene: &Scene<'_>, message: &Message<'_>) -> Flow {
        let (Some(tallies), Ok(request)) = (&scene.conduct.tallies, message.said) else {
            return Flow::GoOn;
        };
        match &request.message {
            ClientMessage::Authorize { worker, password: _ } => {
                let is_new = !scene.machine.workers().contains(worker);
                if is_new && tallies.is_full(worker.as_str()) {
                    let text = "Too many connections of this worker";
                    return Flow::Refuse(Refusal::new(RejectCode::Unauthorized, text));
                }
                Flow::GoOn
            }
            ClientMessage::Submit(submit) => {
                let place = self.member(scene, tallies, &submit.worker);
                let Some(places) = &mut self.0 else { return Flow::GoOn };
                places.taken = None;
                let member = place.and_then(|place| places.members.get(place));
                match member.map(|member| member.take(scene.now)) {
                    Some(Err(wait)) => Flow::Wait(scene.now + wait),
                    Some(Ok(())) => {
                        places.taken = place;
                        Flow::GoOn
                    }
                    None => Flow::GoOn,
                }
            }
            _ => Flow::GoOn,
        }
    }

    fn outcome(&mut self, scene: &Scene<'_>, outcome: Outcome<'_>) -> Judgement {
        match outcome {
            Outcome::Due => {
                let Some(places) = &mut self.0 else { return Judgement::Fine };
                let place = places.taken.take();
                if let Some(member) = place.and_then(|place| places.members.get(place)) {
                    member.give_back();
                }
            }
            Outcome::Event(Event::Authorized(worker)) => {
                if let Some(tallies) = &scene.conduct.tallies {
                    self.member(scene, tallies, worker.as_str());
                }
            }
            Outcome::Event(_) => {}
        }
        Judgement::Fine
    }
}
