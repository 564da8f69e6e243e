//! How evidence is declared: as enums with typed arguments, whose text is written only when it is shown.

/// Declares evidence, one row each: name, kind, fields, sentence.
macro_rules! evidence {
    ($(#[doc = $about:literal])+ $evidence:ident {
        $($variant:ident = $kind:literal { $($field:ident: $type:ty),* $(,)? }
            $text:literal $(, $argument:ident = $value:expr)*;)+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
        #[serde(tag = "kind")]
        pub enum $evidence {
            $(
                #[doc = concat!("\"", $text, "\"")]
                #[serde(rename = $kind)]
                $variant {
                    $(#[doc = concat!("`", stringify!($field), "` in the sentence.")] $field: $type,)*
                },
            )+
        }

        impl $evidence {
            /// All kinds.
            pub const KINDS: &[&str] = &[$($kind,)+];

            /// The kind: a stable name, the same whatever the arguments are.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $($evidence::$variant { .. } => $kind,)+ }
            }
        }

        impl std::fmt::Display for $evidence {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $($evidence::$variant { $($field),* } => write!(f, $text $(, $argument = $value)*),)+
                }
            }
        }
    };
}

/// Declares what somebody does or did, with the words for it.
macro_rules! phrases {
    ($($(#[doc = $about:literal])+ $phrases:ident { $($phrase:ident = $text:literal,)+ })+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
            #[serde(rename_all = "kebab-case")]
            pub enum $phrases {
                $(#[doc = concat!("\"", $text, "\"")] $phrase,)+
            }

            impl std::fmt::Display for $phrases {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(match self { $($phrases::$phrase => $text,)+ })
                }
            }
        )+
    };
}

pub(crate) use {evidence, phrases};
