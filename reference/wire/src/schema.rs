//! Declares messages in the notation of Kafka's schemas.

/// Declares the structures of a message: first the message itself, then its parts.
///
/// - `field: type = default, versions;` with `, null versions` where it may be null. Without a default it is zero, empty or null.
/// - `tag: field: type = default, versions;` after `tagged`: written only where it differs from its default (KIP-482).
/// - A field that a version does not have is left out in writing, and has its default in reading.
#[doc(hidden)]
#[macro_export]
macro_rules! message {
    ($side:ident;
        $name:ident: key $key:literal, versions $lowest:literal..=$highest:literal, flexible $flexible:tt $(..)? { $($body:tt)* } $(tagged { $($tagged:tt)* })?
        $(struct $part:ident { $($part_body:tt)* } $(tagged { $($part_tagged:tt)* })?)*
    ) => {
        #[doc = concat!("The ", stringify!($side), ".")]
        #[allow(missing_docs, reason = "the fields are Kafka's; its protocol guide describes them")]
        pub mod $side {
            #[allow(unused_imports)]
            use $crate::prelude::*;

            $crate::structure! { $name { $($body)* } tagged { $($($tagged)*)? } }
            $($crate::structure! { $part { $($part_body)* } tagged { $($($part_tagged)*)? } })*

            impl Message for $name {
                const NAME: &'static str = stringify!($name);
                const KEY: i16 = $key;
                const VERSIONS: std::ops::RangeInclusive<i16> = $lowest..=$highest;
                const FLEXIBLE_SINCE: i16 = $crate::flexible!($flexible);
            }
        }

        pub use $side::$name;
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! flexible {
    (none) => {
        i16::MAX
    };
    ($since:literal) => {
        $since
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! structure {
    ($name:ident {
        $($field:ident: $kind:ty $(= $default:expr)?, $versions:expr $(, null $null:expr)?;)*
    } tagged {
        $($tag:literal: $tag_field:ident: $tag_kind:ty $(= $tag_default:expr)?, $tag_versions:expr $(, null $tag_null:expr)?;)*
    }) => {
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(pub $field: $kind,)*
            $(pub $tag_field: $tag_kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $crate::or_default!($($default)?),)*
                    $($tag_field: $crate::or_default!($($tag_default)?),)*
                }
            }
        }

        impl Wire for $name {
            #[allow(unused_variables, unused_mut)]
            fn put(&self, form: Form, out: &mut Output) {
                $(if ($versions).contains(&form.version) {
                    self.$field.put($crate::with_null!(form $(, $null)?), out);
                })*
                if !form.flexible {
                    return;
                }
                let mut tags: u32 = 0;
                $(let $tag_field = ($tag_versions).contains(&form.version) && self.$tag_field != {
                    let default: $tag_kind = $crate::or_default!($($tag_default)?);
                    default
                };
                tags += u32::from($tag_field);)*
                out.put_varint(tags);
                $(if $tag_field {
                    out.put_tagged($tag, $crate::with_null!(form $(, $tag_null)?), &self.$tag_field);
                })*
            }

            #[allow(unused_variables, unused_mut)]
            fn take(form: Form, input: &mut Input) -> Result<Self, DecodeError> {
                let mut taken = Self::default();
                $(if ($versions).contains(&form.version) {
                    taken.$field = Wire::take($crate::with_null!(form $(, $null)?), input)?;
                })*
                if form.flexible {
                    input.tagged(|tag, value| match tag {
                        $($tag if ($tag_versions).contains(&form.version) => {
                            taken.$tag_field = Wire::take($crate::with_null!(form $(, $tag_null)?), value)?;
                            Ok(true)
                        })*
                        _ => Ok(false),
                    })?;
                }
                Ok(taken)
            }
        }

        impl Wire for Option<$name> {
            fn put(&self, form: Form, out: &mut Output) {
                out.put_structure(form, self.as_ref());
            }

            fn take(form: Form, input: &mut Input) -> Result<Self, DecodeError> {
                input.take_structure(form)
            }
        }

        #[cfg(test)]
        impl Sample for $name {
            fn sample(form: Form, dice: &mut Dice) -> Self {
                let mut sampled = Self::default();
                $(if ($versions).contains(&form.version) {
                    sampled.$field = Sample::sample($crate::with_null!(form $(, $null)?), dice);
                })*
                $(if ($tag_versions).contains(&form.version) {
                    sampled.$tag_field = Sample::sample($crate::with_null!(form $(, $tag_null)?), dice);
                })*
                sampled
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! or_default {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! with_null {
    ($form:ident) => {
        Form { nullable: false, ..$form }
    };
    ($form:ident, $null:expr) => {
        Form { nullable: ($null).contains(&$form.version), ..$form }
    };
}
