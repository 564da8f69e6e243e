//! The macros that declare one kind of fault, and the list of all kinds.

/// Declares the data of a fault kind: name, former names, summary, and its fields, each with its [`Slot`](super::Slot).
/// A field with a default may be missing in a plan.
macro_rules! fault {
    (
        $(#[$doc:meta])* $kind:ident $name:literal, formerly $old:expr, $summary:literal,
        { $($(#[$field_doc:meta])* $field:ident: $type:ty $(= $default:expr)? => $slot:expr,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, serde::Serialize)]
        pub struct $kind {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::plan::faults::FaultData for $kind {
            const NAME: &'static str = $name;
            const FORMER_NAMES: &'static [&'static str] = &$old;
            const SUMMARY: &'static str = $summary;

            fn read(fields: &mut $crate::plan::faults::FaultFields) -> Result<Self, String> {
                // Not every kind has fields.
                let $crate::plan::faults::FaultFields { .. } = fields;
                Ok($kind {
                    $($field: $crate::plan::faults::read_field(
                        fields.$field.take(), $name, stringify!($field), [$($default)?].into_iter().next(),
                    )?,)*
                })
            }

            fn slots(&mut self) -> Vec<(&'static str, $crate::plan::faults::Slot<'_>)> {
                vec![$((stringify!($field), $slot(&mut self.$field)),)*]
            }
        }
    };
}

/// Declares [`FaultKind`](super::FaultKind) and [`ActiveFault`](super::ActiveFault). The order is part of the digest:
/// new kinds are added at the end.
macro_rules! fault_kinds {
    ($($kind:ident,)*) => {
        /// The kinds of faults. Each ends after `lasts`, or at the end of the fault phase.
        #[derive(Clone, PartialEq, Debug)]
        pub enum FaultKind {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)*
        }

        /// A fault that has begun and not ended: what its end needs to know.
        #[derive(Clone, PartialEq, Debug)]
        pub(crate) enum ActiveFault {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind(<$kind as FaultType>::Active),)*
        }

        enum Number {
            $($kind,)*
        }

        impl FaultKind {
            /// The kinds by name, each with a description.
            pub const ALL: [(&'static str, &'static str); [$(Number::$kind as usize),*].len()] =
                [$(($kind::NAME, $kind::SUMMARY),)*];

            const FORMER_NAMES: &'static [(&'static str, &'static [&'static str])] =
                &[$(($kind::NAME, $kind::FORMER_NAMES),)*];

            /// The index of this kind in [`FaultKind::ALL`].
            #[must_use]
            pub const fn index(&self) -> usize {
                match self {
                    $(FaultKind::$kind(_) => Number::$kind as usize,)*
                }
            }

            /// Reads the fields of a kind.
            fn read(index: usize, fields: &mut FaultFields) -> Result<FaultKind, String> {
                let readers: [fn(&mut FaultFields) -> Result<FaultKind, String>; FaultKind::ALL.len()] =
                    [$(|fields| $kind::read(fields).map(FaultKind::$kind),)*];
                readers[index](fields)
            }

            /// The fields, each with its name and role.
            pub(crate) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
                match self {
                    $(FaultKind::$kind(fault) => fault.slots(),)*
                }
            }

            /// The first field that is invalid for a reason of this kind only, and the reason.
            pub(super) fn invalid_field(&self) -> Option<(&'static str, &'static str)> {
                match self {
                    $(FaultKind::$kind(fault) => fault.invalid_field(),)*
                }
            }

            /// Begins the fault; `None` if no node matches its target.
            pub(crate) fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<ActiveFault>> {
                match self {
                    $(FaultKind::$kind(fault) => fault.begin(host).map(|begun| begun.map(ActiveFault::$kind)),)*
                }
            }
        }

        impl ActiveFault {
            /// Ends the fault.
            pub(crate) fn end(self, host: &mut dyn FaultHost) {
                match self {
                    $(ActiveFault::$kind(active) => active.end(host),)*
                }
            }
        }

        impl fmt::Display for FaultKind {
            /// The kind, its targets and its strength: `slow-disk n2 9 times`.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())?;
                match self {
                    $(FaultKind::$kind(fault) => fault.describe(f),)*
                }
            }
        }

        impl fmt::Display for ActiveFault {
            /// What its end means: `n2 can restart`.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(ActiveFault::$kind(active) => active.fmt(f),)*
                }
            }
        }

        impl Serialize for Fault {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match &self.kind {
                    $(FaultKind::$kind(fault) => Table::new(self, fault).serialize(serializer),)*
                }
            }
        }

        $(impl From<$kind> for FaultKind {
            fn from(fault: $kind) -> FaultKind {
                FaultKind::$kind(fault)
            }
        })*
    };
}

/// Declares the fields of all kinds.
macro_rules! fault_fields {
    ($($field:ident: $type:ty,)*) => {
        /// The fields of all fault kinds. A field that is left over at the end does not belong to the kind.
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct FaultFields {
            at: SimDuration,
            on: Option<Trigger>,
            kind: FaultName,
            $($field: Option<$type>,)*
        }

        impl FaultFields {
            /// A field that is set and was not taken.
            fn unexpected_field(&self) -> Option<&'static str> {
                let all = [$((stringify!($field), self.$field.is_some()),)*];
                all.into_iter().find(|&(_, is_set)| is_set).map(|(name, _)| name)
            }
        }
    };
}
