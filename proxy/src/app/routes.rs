//! Routes as the configuration has them: which run, and which a listener's miners can reach.

use std::sync::Arc;

use loka_api::runtime_config::{Listener, Mode, Route, RuntimeConfig};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{RunningRoute, Supervisor};
use crate::fleet::{Dedicated, Role, RouteParts, RouteTask};
use crate::listener::{Orders, Port, Reachable};
use crate::router::Rules;

// === impl Supervisor ===

impl Supervisor {
    pub(super) fn apply_routes(&mut self, config: &RuntimeConfig) {
        for route in &config.routes {
            match self.routes.get(&route.name) {
                Some(running) => {
                    let route = self.by_hand.over(route);
                    let same = **running.config.borrow() == route;
                    if !same {
                        running.config.send_replace(Arc::new(route));
                    }
                }
                None => self.start_route(&self.by_hand.over(route)),
            }
        }
    }

    fn start_route(&mut self, route: &Route) {
        let (config, config_out) = watch::channel(Arc::new(route.clone()));
        let stop = CancellationToken::new();
        let first_serial = self.fleet.serials();
        let mut seams = self.fleet.clone();
        seams.random = self.random.fork();
        let (role, stop_out) = (Role::Named, stop.clone());
        let parts = RouteParts { config: config_out, first_serial, seams, role, stop: stop_out };
        let (task, output) = RouteTask::new(parts);
        self.fleet.tasks.spawn(task.run());
        let random = self.random.fork();
        let dedicated = Arc::new(Dedicated::new(&self.fleet, random, &output.crowd));
        let running = RunningRoute { config, output, dedicated, stop };
        self.routes.insert(route.name.clone(), running);
    }

    pub(super) fn drop_routes(&mut self, config: &RuntimeConfig) {
        self.routes.retain(|name, running| {
            let kept = config.routes.iter().any(|route| route.name == *name);
            if !kept {
                running.stop.cancel();
            }
            kept
        });
    }

    pub(super) fn orders_for(&self, listener: &Arc<Listener>) -> Option<Orders> {
        let rules = Rules::compile(&self.rules, &listener.name, &listener.route);
        let reach = |name: &str| {
            let running = self.routes.get(name)?;
            let dedicated = match running.config.borrow().mode {
                Mode::Aggregated => None,
                Mode::Dedicated => Some(Arc::clone(&running.dedicated)),
            };
            Some(Reachable { name: name.into(), state: running.output.state.clone(), dedicated })
        };
        let routes = rules.routes().into_iter().map(reach).collect::<Option<Vec<_>>>()?;
        Some(Orders {
            config: Arc::clone(listener),
            firmware: self.firmware.clone(),
            rules: Arc::new(rules),
            routes,
            leave: self.leave,
            port: Port::Open,
        })
    }
}
