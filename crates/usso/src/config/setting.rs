//! The declarative list behind every configuration key.
//!
//! The `section!` macro turns one declaration into the section's struct, its `Default` and its list of [`Key`]s.
//! Parsing, flags, `config print`, `docs/configuration.md` and `usso.example.toml` all walk that list, so a key's
//! name, default and meaning are written once. What a value may look like is said by its type, a [`Setting`].

use crate::config::Config;

/// A value as found in a source, before its type is known.
pub enum Raw {
    /// One value: a variable, a flag, or a TOML string, integer or boolean.
    One(String),
    /// A TOML list.
    Many(Vec<String>),
}

impl Raw {
    /// The single value.
    ///
    /// # Errors
    /// The reason, when the source holds a list.
    pub fn text(&self) -> Result<&str, String> {
        match self {
            Self::One(text) => Ok(text),
            Self::Many(_) => Err("takes one value, not a list".to_owned()),
        }
    }

    /// The items of a list; a single value is split at its commas.
    pub fn items(&self) -> Vec<&str> {
        match self {
            Self::One(text) => text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect(),
            Self::Many(items) => items.iter().map(String::as_str).collect(),
        }
    }
}

/// A type a configuration key can have.
pub trait Setting: Sized {
    /// Whether the value may hold a password: then the variable is accepted as `NAME_FILE` too, and `read` must not
    /// repeat the value in its reasons.
    const SECRET: bool = false;

    /// Reads the value.
    ///
    /// # Errors
    /// The reason as the end of the sentence "`section.key` (its source): ...".
    fn read(raw: &Raw) -> Result<Self, String>;

    /// The value in TOML notation, secrets as asterisks; `None` when there is none.
    fn show(&self) -> Option<String>;
}

/// One configuration key.
pub struct Key {
    /// `section.name`, as in the file.
    pub path: &'static str,
    /// The section's name.
    pub section: &'static str,
    /// The name within the section.
    pub name: &'static str,
    /// The flag without its dashes.
    pub flag: Option<&'static str>,
    /// The short names of the environment; `USSO__SECTION__KEY` always works besides.
    pub environment: &'static [&'static str],
    /// See [`Setting::SECRET`].
    pub secret: bool,
    /// One or two sentences for the reference.
    pub meaning: &'static str,
    /// The default in words, where the code's default is "none" or depends on the machine.
    pub shown: Option<&'static str>,
    /// A value for the example file, where the default can't be written as one.
    pub example: Option<&'static str>,
    /// Reads a value into its place.
    pub read: fn(&mut Config, &Raw) -> Result<(), String>,
    /// The value in TOML notation.
    pub show: fn(&Config) -> Option<String>,
}

impl Key {
    /// The name that every key has in the environment: `USSO__SECTION__KEY`.
    pub fn variable(&self) -> String {
        format!("USSO__{}__{}", self.section.to_ascii_uppercase(), self.name.to_ascii_uppercase())
    }

    /// Whether `name` is one of the key's variables.
    pub fn is_named(&self, name: &str) -> bool {
        self.environment.contains(&name) || self.variable() == name
    }
}

/// One section: a table of `usso.toml`.
pub struct Section {
    /// The table's name.
    pub name: &'static str,
    /// What the section is about.
    pub about: &'static str,
    /// Its keys in the order of the documentation.
    pub keys: &'static [Key],
    /// Checks what a single value can't show.
    pub validate: fn(&Config) -> Result<(), Invalid>,
}

/// A value that can be read but can't be right, alone or beside another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// `section.name` of the key to be named.
    pub key: &'static str,
    /// The reason as the end of a sentence.
    pub reason: String,
}

impl Invalid {
    /// `Ok` when `is_fine`, otherwise the reason against `key`.
    ///
    /// # Errors
    /// Unless `is_fine`.
    pub fn unless(is_fine: bool, key: &'static str, reason: &str) -> Result<(), Self> {
        if is_fine { Ok(()) } else { Err(Self { key, reason: reason.to_owned() }) }
    }
}

/// Declares a section: the struct, its `Default` and its keys. Each key is
/// `name: Type = default, shown "…", example "…", flag "…", env "…" "…";` under its documentation.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $type:ident $section:ident {
            $(
                $(#[doc = $meaning:literal])+
                $name:ident: $value:ty = $default:expr
                    $(, shown $shown:literal)? $(, example $example:literal)?
                    $(, flag $flag:literal)? $(, env $($variable:literal)+)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $type {
            $( $(#[doc = $meaning])+ pub $name: $value, )+
        }

        impl Default for $type {
            fn default() -> Self {
                Self { $( $name: $default, )+ }
            }
        }

        /// The section as the sources and the documentation see it.
        pub(super) const SECTION: $crate::config::setting::Section = $crate::config::setting::Section {
            name: stringify!($section),
            about: concat!($($about),+),
            keys: &[$(
                $crate::config::setting::Key {
                    path: concat!(stringify!($section), ".", stringify!($name)),
                    section: stringify!($section),
                    name: stringify!($name),
                    flag: [$($flag,)?].as_slice().first().copied(),
                    environment: &[$($($variable),+)?],
                    secret: <$value as $crate::config::setting::Setting>::SECRET,
                    meaning: concat!($($meaning),+),
                    shown: [$($shown,)?].as_slice().first().copied(),
                    example: [$($example,)?].as_slice().first().copied(),
                    read: |config, raw| {
                        config.$section.$name = $crate::config::setting::Setting::read(raw)?;
                        Ok(())
                    },
                    show: |config| $crate::config::setting::Setting::show(&config.$section.$name),
                },
            )+],
            validate: |config| config.$section.validate(),
        };
    };
}
pub(super) use section;
