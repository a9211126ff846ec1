//! How limits that can be configured are declared: once, with everything that is known of them.

/// What is known of one configurable limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The key in the configuration; it ends in the unit where there is one.
    pub name: &'static str,
    /// What it bounds, in a sentence or two.
    pub doc: &'static str,
    /// The value where nothing is configured.
    pub default: u64,
    /// The smallest value that makes sense.
    pub min: u64,
    /// The largest value that makes sense.
    pub max: u64,
}

macro_rules! configurable {
    (
        $(#[doc = $about:literal])+
        $Limits:ident, $Overrides:ident {
            $($(#[doc = $doc:literal])+ $name:ident = $default:literal in $min:literal..=$max:expr;)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $Limits {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Default for $Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        #[doc = concat!("Those of `", stringify!($Limits), "` that somebody sets.")]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $Overrides {
            $(
                #[doc = concat!("Instead of `", stringify!($Limits), "::", stringify!($name), "`.")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<u64>,
            )+
        }

        impl $Limits {
            /// All limits in the order of the documentation.
            pub const ALL: &'static [Limit] = &[
                $(Limit {
                    name: stringify!($name),
                    doc: concat!($($doc),+),
                    default: $default,
                    min: $min,
                    max: $max,
                },)+
            ];

            /// These limits, except where there are others.
            #[must_use]
            pub fn with(&self, overrides: &$Overrides) -> Self {
                Self { $($name: overrides.$name.unwrap_or(self.$name),)+ }
            }

            /// The value of the limit of this name; `None` where there is no such limit.
            pub fn get(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)+
                    _ => None,
                }
            }
        }

        impl $Overrides {
            /// Overrides the limit of this name. False, and nothing done, where there is none.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = Some(value),)+
                    _ => return false,
                }
                true
            }
        }
    };
}
