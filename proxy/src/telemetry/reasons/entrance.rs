//! How miners get in: TLS and logins.

use loka_ops::labels;

labels! {
    /// Why somebody may not mine under a name.
    LoginRefusal {
        /// More logins at once than can be checked.
        Busy => "busy",
        /// The web hook says so.
        Hook => "hook",
        /// The web hook does not answer, and knows nothing of this login.
        HookFailed => "hook_failed",
        /// The password is none of the name's.
        Password => "password",
        /// The pool says so.
        Pool => "pool",
        /// The list does not have the name.
        Unknown => "unknown",
    }
}

labels! {
    /// What a web hook said to a login.
    HookAnswer {
        /// It is let in.
        Allowed => "allowed",
        /// Nothing that could be read, in time.
        Failed => "failed",
        /// It is not.
        Refused => "refused",
    }
}

labels! {
    /// Why a TLS handshake with a miner came to nothing.
    TlsFailure {
        /// The miner does not trust the certificate that it was shown.
        CertificateRefused => "certificate_refused",
        /// The connection ended, or broke.
        Disconnected => "disconnected",
        /// No version or cipher in common.
        Incompatible => "incompatible",
        /// It is TLS by its first byte only.
        Malformed => "malformed",
        /// The first byte is no TLS handshake: most likely Stratum in the clear.
        NotTls => "not_tls",
        /// The listener ended, or lets its miners go.
        Stopped => "stopped",
        /// Not done within the handshake timeout.
        TimedOut => "timed_out",
    }
}
