//! Logins on a pool's connection beside our own: what a miner's name comes to there, and what the pool says of it.

use super::{Connection, End};
use crate::policy::worker_name::{Miner, login};
use crate::telemetry::PoolEvent;
use crate::upstream::asking::{Question, ToAsk, Word};

// === impl Connection ===

impl Connection<'_> {
    /// What the pool's template makes of a miner's name; nothing where the pool is told no names, or none is left.
    pub(super) fn further_login(&self, miner: Miner<'_>) -> Option<String> {
        let names = self.pool.worker_names.as_ref()?;
        login(&self.pool.account, &names.template, miner)
    }

    pub(super) fn further_logins_max(&self) -> usize {
        self.pool.worker_names.as_ref().map_or(0, |names| names.logins_max.into())
    }

    /// Asks the pool for a miner, unless it has said.
    pub(super) async fn asked(&mut self, question: Question) -> Result<(), End> {
        let Question { name, listener, password, reply } = question;
        // Where names are not told, or a name leaves nothing of itself, the work goes under the plain login.
        let miner = Miner { name: &name, listener: &listener };
        let Some(login) = self.further_login(miner) else { return Ok(()) };
        let asked = self.asking.ask(&login.into(), password, reply);
        self.ask(asked).await
    }

    /// The pool's word on a miner.
    pub(super) async fn miner_judged(&mut self, login: &str, is_let_in: bool) -> Result<(), End> {
        let word = if is_let_in { Word::Yes } else { Word::No };
        if is_let_in {
            self.names.let_in(self.now().instant, login, self.further_logins_max());
        }
        let next = self.asking.judged(login, word);
        self.ask(next).await
    }

    async fn ask(&mut self, asked: Option<ToAsk>) -> Result<(), End> {
        let Some(ToAsk { login, password }) = asked else { return Ok(()) };
        let mut wire = Vec::new();
        self.machine.authorize_miner(&login, &password, &mut wire);
        self.write(&wire).await
    }

    /// The pool's word on a further login.
    pub(super) fn login_judged(&mut self, login: &str, outcome: Result<(), String>) {
        let Err(message) = outcome else {
            self.names.granted(login);
            return;
        };
        self.names.refused(login);
        self.task.parts.telemetry.emit(PoolEvent::NameRefused {
            route: &self.task.parts.route,
            pool: &self.pool.name,
            login,
            message: &message,
        });
    }
}
