//! `[menu]`: the merchants' menu.

use super::kind;
use super::login::MenuLogin;
use super::reader::{Context, Flaw, Reader};
use super::tree::Value;
use serde::Serialize;

/// Longest name, in characters: it stands in subjects.
const BRAND_MAX: usize = 40;

/// `[menu]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Menu {
    /// What the service is called.
    pub brand: String,
    pub login: MenuLogin,
}

impl Menu {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let brand = r.value("menu.brand", "Anshin Mail", brand);
        let login = MenuLogin::read(r);
        Some(Self { brand: brand?, login: login? })
    }
}

fn brand(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    let is_good = !text.is_empty()
        && text.chars().count() <= BRAND_MAX
        && !text.chars().any(|c| c.is_control() || matches!(c, '@' | '[' | ']' | '<' | '>'));
    if is_good {
        return Ok(text.to_owned());
    }
    Err(Flaw::new("is no name", format!("write 1 to {BRAND_MAX} characters on one line, without @ [ ] < >")))
}
