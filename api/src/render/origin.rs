//! Where a value of the rendered config comes from, as data: for people who ask why.

use std::fmt;

use serde::Serialize;

/// One value of the rendered config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Its place in the config, such as `routes[main].pools[primary].user`.
    pub path: String,
    /// The value; `(secret)` where it is one.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "from")]
pub enum Origin {
    /// A document says so.
    Document {
        /// The document, such as `farm.yaml:12 StratumProxy/farm-east`.
        document: String,
        /// The field.
        path: String,
    },
    /// No document says otherwise.
    Default {
        /// The field that would.
        path: String,
    },
    /// A variable of the environment says so, whatever the document says.
    Environment {
        /// The variable.
        variable: String,
        /// The field of the document.
        path: String,
    },
    /// A Secret holds it.
    Secret {
        /// Namespace of the Secret.
        namespace: String,
        /// Its name.
        name: String,
        /// The key in its data.
        key: String,
    },
    /// It is made of other values.
    Derived {
        /// Which, in words.
        of: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document { document, path } => write!(f, "{document} {path}"),
            Self::Default { path } => write!(f, "default of {path}"),
            Self::Environment { variable, path } => write!(f, "environment {variable} {path}"),
            Self::Secret { namespace, name, key } => {
                write!(f, "Secret {namespace}/{name} key {key}")
            }
            Self::Derived { of } => f.write_str(of),
        }
    }
}
