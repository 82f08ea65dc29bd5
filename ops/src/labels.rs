//! How a closed set of labels is declared.

/// Declares an enum whose variants are labels: `ALL`, `LABELS`, `label()`, `Display` and JSON. The
/// crate that calls it must depend on serde.
#[macro_export]
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every member, for exposition and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Every label, in the same order.
            pub const LABELS: &'static [&'static str] = &[$($label,)+];

            /// The label.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.label())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.label())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::otlp::ExportResult;

    #[test]
    fn labels_are_in_the_order_of_the_members_and_are_what_is_shown() {
        let labels: Vec<_> = ExportResult::ALL.iter().map(|result| result.label()).collect();
        assert_eq!(labels, ExportResult::LABELS);
        assert_eq!(labels, ["exported", "failed"]);
        assert_eq!(ExportResult::Failed.to_string(), "failed");
    }
}
