//! Every metric of the proxy: name, kind, labels, meaning. What is registered, what is documented
//! in `docs/metrics.md` and what dashboards and alerts may use is this table; tests keep the three
//! the same.

mod document;

pub use document::markdown;

/// One metric, with the names of its labels.
pub type Metric = loka_ops::catalogue::Metric<&'static str>;

loka_ops::metrics! {
    Metric;

    SHARES_RECEIVED: Counter "loka_shares_received" ["listener", "route", "pool", "account"]
        "Submits of miners that could be read as such; received = rejected + accepted";
    SHARES_REJECTED: Counter "loka_shares_rejected" ["listener", "route", "pool", "account", "reason"]
        "Shares that the proxy's own validation refused";
    SHARES_ACCEPTED: Counter "loka_shares_accepted" ["listener", "route", "pool", "account"]
        "Valid shares; accepted = below_pool_difficulty + due";
    SHARES_BELOW_POOL_DIFFICULTY: Counter "loka_shares_below_pool_difficulty" ["listener", "route", "pool", "account"]
        "Valid shares that do not meet their pool job's target: nothing to forward";
    SHARES_DUE: Counter "loka_shares_due" ["listener", "route", "pool", "account"]
        "Valid shares that meet their pool job's target; due = held + outstanding + pool_accepted + pool_rejected + unanswered + lost";
    SHARES_HELD: Gauge "loka_shares_held" ["listener", "route", "pool", "account"]
        "Due shares that are not yet written to a pool";
    SHARES_OUTSTANDING: Gauge "loka_shares_outstanding" ["listener", "route", "pool", "account"]
        "Due shares that are written to a pool and await its verdict";
    SHARES_POOL_ACCEPTED: Counter "loka_shares_pool_accepted" ["listener", "route", "pool", "account"]
        "Due shares that the pool credited";
    SHARES_POOL_REJECTED: Counter "loka_shares_pool_rejected" ["listener", "route", "pool", "account", "reason"]
        "Due shares that the pool refused";
    SHARES_UNANSWERED: Counter "loka_shares_unanswered" ["listener", "route", "pool", "account", "reason"]
        "Due shares that were written to a pool and never judged; they may be paid";
    SHARES_LOST: Counter "loka_shares_lost" ["listener", "route", "pool", "account", "reason"]
        "Due shares that were never written to a pool";
    BLOCK_CANDIDATES: Counter "loka_block_candidates" ["listener", "route", "pool", "account"]
        "Shares that meet the network's target, whatever else became of them";
    ACCEPTED_DIFFICULTY: Counter "loka_shares_accepted_difficulty" ["listener", "route", "pool", "account"]
        "Difficulty that accepted shares were judged at, summed: the work of the miners";
    DUE_DIFFICULTY: Counter "loka_shares_due_difficulty" ["listener", "route", "pool", "account"]
        "Pool difficulty of due shares, summed: the work that pools should credit";
    POOL_ACCEPTED_DIFFICULTY: Counter "loka_shares_pool_accepted_difficulty" ["listener", "route", "pool", "account"]
        "Pool difficulty of shares that the pool credited, summed: the work that is paid";

    LEDGER_BEGUN: Gauge "loka_ledger_begun_timestamp_seconds" []
        "When the ledger began: before the process did, if it goes on from an earlier one; absent without --state";
    LEDGER_KEPT_AGE: Gauge "loka_ledger_kept_age_seconds" []
        "Time since the file of the ledger last held what the ledger does; absent without --state";
    LEDGER_KEEP_FAILURES: Counter "loka_ledger_keep_failures" []
        "Attempts to keep the ledger for the next start that failed";

    AUDIT_RECORDS: Counter "loka_audit_records" ["result"]
        "Records of the audit log: in the file, told as a number only, or lost; absent without --audit";
    AUDIT_QUEUED: Gauge "loka_audit_queued" []
        "Records of the audit log that wait to be written; absent without --audit";
    AUDIT_FAILED: Gauge "loka_audit_failed" []
        "1 while the audit log cannot be written; absent without --audit";
    AUDIT_WRITE_FAILURES: Counter "loka_audit_write_failures" []
        "Attempts to write the audit log that failed";

    MEMORY: Gauge "loka_memory_bytes" ["kind"]
        "Memory that is accounted, by what it is for";
    MEMORY_RESIDENT: Gauge "loka_memory_resident_bytes" []
        "Memory that the kernel says the process has";
    MEMORY_BUDGET: Gauge "loka_memory_budget_bytes" []
        "Memory that the process may have (--memory-budget); absent without a limit";
    DESCRIPTORS_OPEN: Gauge "loka_descriptors_open" []
        "Descriptors that are open";
    DESCRIPTORS_LIMIT: Gauge "loka_descriptors_limit" []
        "Descriptors that may be open; absent without a limit";
    REFUSING: Gauge "loka_refusing" ["reason"]
        "1 while new miners are refused since there is no room for them: memory or descriptors";

    CLASS_SHARES_RECEIVED: Counter "loka_class_shares_received" ["listener", "class"]
        "Submits of the miners of a class: those whose firmware has this profile, or none that is known (other)";
    CLASS_SHARES_REJECTED: Counter "loka_class_shares_rejected" ["class", "reason"]
        "Shares of a class that the proxy's own validation refused";
    CLASS_SHARES_POOL_REJECTED: Counter "loka_class_shares_pool_rejected" ["class", "reason"]
        "Due shares of a class that pools refused";
    CLASS_ACCEPTED_DIFFICULTY: Counter "loka_class_accepted_difficulty" ["listener", "class"]
        "Difficulty that accepted shares of a class were judged at, summed";
    CLASS_POOL_ACCEPTED_DIFFICULTY: Counter "loka_class_pool_accepted_difficulty" ["listener", "class"]
        "Pool difficulty of shares of a class that pools credited, summed";

    WORK: Counter "loka_miner_work_difficulty" ["listener", "route", "state"]
        "Difficulty that the measured hashrate of miners comes to over time, by what they had to work on: live work (paid), the last job of a pool that is gone (stale), no job yet (no_job), asked to leave (draining), gone by themselves for up to an hour (absent)";

    MINERS_CONNECTED: Gauge "loka_miners_connected" ["listener"]
        "Miners connected now";
    MINER_CONNECTIONS: Counter "loka_miner_connections" ["listener"]
        "Connections of miners that were accepted";
    MINER_ACCEPT_FAILURES: Counter "loka_miner_accept_failures" ["listener"]
        "Connections that the operating system did not let us accept";
    MINER_REFUSED: Counter "loka_miner_refused" ["listener", "reason"]
        "Connections of miners that did not become a session";
    MINER_BANS: Counter "loka_miner_bans" ["listener", "reason"]
        "Times that an address was banned, by what it did last";
    MINERS_BANNED: Gauge "loka_miner_banned_addresses" ["listener"]
        "Addresses that are banned now; of IPv6, ranges of 64 bits";
    MINER_HANDSHAKES: Gauge "loka_miner_handshakes" ["listener"]
        "Connections without a complete handshake now";
    MINER_TLS_FAILED: Counter "loka_miner_tls_failed" ["listener", "reason"]
        "TLS handshakes of miners that came to nothing";
    MINER_HANDSHAKE: Histogram "loka_miner_handshake_seconds" ["listener"]
        "From the connection of a miner to its authorization";
    MINER_CLOSED: Counter "loka_miner_closed" ["listener", "reason"]
        "Sessions of miners that ended";
    MINER_LOGINS: Counter "loka_miner_logins" ["listener"]
        "Names that miners were let in under";
    MINER_LOGINS_REFUSED: Counter "loka_miner_logins_refused" ["listener", "reason"]
        "Logins that a listener's list or web hook did not let in";
    LOGIN_HOOK: Counter "loka_login_hook_answers" ["listener", "result"]
        "Logins that a listener's web hook was asked for, by what it answered";
    MINER_MALFORMED: Counter "loka_miner_malformed" ["listener"]
        "Lines of miners that are not Stratum";
    MINER_DIFFICULTY_CHANGES: Counter "loka_miner_difficulty_changes" ["listener"]
        "Changes of the difficulty asked of a miner";
    MINER_RESUMED: Counter "loka_miner_resumed" ["listener"]
        "Miners that came back and have their former session again";
    MINER_RENUMBERED: Counter "loka_miner_renumbered" ["listener"]
        "Miners that were told another extranonce, since a pool leaves no room for the one that they had";
    MINER_COINBASE_TOO_LONG: Counter "loka_miner_coinbase_too_long" ["listener", "firmware"]
        "Miners whose software can hardly hold the coinbase of their pool";
    JOB_DELIVERY: Histogram "loka_job_delivery_seconds" []
        "From reading a job of the pool to writing it to one miner";

    LISTENER_UP: Gauge "loka_listener_up" ["listener"]
        "1 if the listener accepts miners";
    LISTENER_FAILURES: Counter "loka_listener_failures" ["listener"]
        "Attempts to open a listener that failed";

    POOL_STATE: Gauge "loka_pool_state" ["route", "pool", "state"]
        "1 for the state that the pool is in, 0 for the others";
    POOL_ACTIVE: Gauge "loka_pool_active" ["route", "pool"]
        "1 if the route's miners work for this pool";
    POOL_DIFFICULTY: Gauge "loka_pool_difficulty" ["route", "pool"]
        "Difficulty that the pool asks for";
    POOL_JOB_AGE: Gauge "loka_pool_job_age_seconds" ["route", "pool"]
        "Time since the last job of the pool";
    POOL_CONNECTS: Counter "loka_pool_connects" ["route", "pool"]
        "Attempts to connect to the pool";
    POOL_LOGIN: Histogram "loka_pool_login_seconds" ["route", "pool"]
        "From the attempt to connect to the first job";
    POOL_DOWN: Counter "loka_pool_down" ["route", "pool", "reason"]
        "Times that the pool became unusable";
    POOL_LOGIN_REFUSED: Counter "loka_pool_login_refused" ["route", "pool"]
        "Logins that the pool refused";
    POOL_MISBEHAVED: Counter "loka_pool_misbehaved" ["route", "pool"]
        "Times that the pool broke the protocol or a bound";
    POOL_MESSAGES: Counter "loka_pool_messages" ["route", "pool"]
        "Messages of the pool to its operator (client.show_message)";
    POOL_RECONNECTS_ASKED: Counter "loka_pool_reconnects_asked" ["route", "pool", "obeyed"]
        "Requests of the pool to connect elsewhere (client.reconnect)";
    POOL_UNNAMED_SHARES: Counter "loka_pool_unnamed_shares" ["route", "pool", "reason"]
        "Shares under the pool's plain login although the pool is told workers' names";
    POOL_UNVERIFIED_JOBS: Counter "loka_pool_unverified_jobs" ["route", "pool"]
        "Jobs of the pool that were not mined on, for their coinbase does not pay whom it must";
    POOL_SUSPECTED: Counter "loka_pool_suspected" ["route", "pool", "reason"]
        "Times that a connected pool was held unfit to be mined on while another can be";
    POOL_PART: Gauge "loka_pool_hashrate_part" ["route", "pool"]
        "Part of the route's measured hashrate that works for this pool, 0 to 1";
    POOL_REFUSED: Counter "loka_proxy_pool_refused" ["reason"]
        "Pools that the allow-list does not have, in configurations and when they were to be connected to";
    POOL_VERDICT: Histogram "loka_pool_verdict_seconds" ["route", "pool", "result"]
        "From writing a share to the pool to its verdict";
    JOBS_RECEIVED: Counter "loka_jobs_received" ["route", "pool", "kind"]
        "Jobs of the pool; a clean one takes the worth of those before it";

    ROUTE_EPOCH: Gauge "loka_route_epoch" ["route"]
        "Clean epoch of the route: rises whenever earlier jobs lose their worth";
    ROUTE_SWITCHES: Counter "loka_route_switches" ["route", "reason"]
        "Times that the route took another pool";
    ROUTE_ROLLOUTS: Counter "loka_route_rollouts" ["route", "result"]
        "Changes of the pool that were made in steps, by how they ended";
    ROUTE_ROLLED_BACK: Gauge "loka_route_rolled_back" ["route"]
        "1 from a staged change that failed at a gate until the configuration changes";
    ROUTE_DEDICATED: Gauge "loka_route_dedicated_miners" ["route"]
        "Miners that have pool connections of their own";
    ROUTE_DEDICATED_UP: Gauge "loka_route_dedicated_miners_up" ["route"]
        "Miners that have pool connections of their own, and work of one";
    ROUTE_NO_POOL: Counter "loka_route_no_pool" ["route"]
        "Times that the route was left without a pool";

    CONFIG: Info "loka_proxy_config" ["name", "hash"]
        "The configuration in use";
    CONFIG_APPLIED_AT: Gauge "loka_proxy_config_last_applied_timestamp_seconds" []
        "When the configuration in use was applied";
    CONFIG_REFUSED: Gauge "loka_proxy_config_refused" []
        "1 while the documents hold a change that was refused, and the last good configuration is in use";
    CONFIG_APPLY: Counter "loka_proxy_config_apply" ["result"]
        "Changes of configuration, by what became of them";
    CONFIG_SEQUENCE: Gauge "loka_proxy_config_sequence" []
        "Sequence of the snapshot in use; absent with documents";
    CONFIG_SOURCE: Gauge "loka_proxy_config_source" ["source"]
        "1 for where the configuration in use came from, 0 for the others";
    CONFIG_STREAM_CONNECTED: Gauge "loka_proxy_config_stream_connected" []
        "1 while the stream to the operator is up; absent without --control";
    ADMIN_ACTS: Counter "loka_admin_acts" ["kind", "result"]
        "What was done, or refused, by hand at the admin API";
    ADMIN_DENIED: Counter "loka_admin_denied" ["reason"]
        "Requests that the admin API did not let in";
    DRAINING: Gauge "loka_proxy_draining" []
        "1 while the proxy lets its miners go";
    SPANS_EXPORTED: Counter "loka_proxy_spans_exported" ["result"]
        "Trace spans handed to the OTLP exporter";
    BUILD: Info "loka_proxy_build" ["version"]
        "The version of this binary";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the process started";
}

#[cfg(test)]
mod tests;
