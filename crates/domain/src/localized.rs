//! Names and texts in the languages customers and agents read.
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lang {
    #[serde(rename = "zh-CN")]
    Zh,
    #[serde(rename = "en")]
    En,
}

impl Lang {
    pub fn as_str(self) -> &'static str {
        match self {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        }
    }
}

/// A value in one or both languages; at least one is present in valid configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Localized<T = String> {
    #[serde(rename = "zh-CN", default = "none", skip_serializing_if = "Option::is_none")]
    pub zh: Option<T>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub en: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T> Localized<T> {
    pub fn both(zh: impl Into<T>, en: impl Into<T>) -> Self {
        Self { zh: Some(zh.into()), en: Some(en.into()) }
    }

    /// The value in `lang`, else in the other language.
    pub fn get(&self, lang: Lang) -> Option<&T> {
        match lang {
            Lang::Zh => self.zh.as_ref().or(self.en.as_ref()),
            Lang::En => self.en.as_ref().or(self.zh.as_ref()),
        }
    }
}
