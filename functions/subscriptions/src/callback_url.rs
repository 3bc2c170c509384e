//! Reads the callback URL of a subscription.

use http_kit::fields::{Fields, UrlOf, url};
use platform::config::Mode;
use protocol::web_address::{Loopback, Purpose};

/// Maximum length of a callback URL, in characters.
const URL_CHARACTERS: usize = 1024;

/// The field `url`: https on port 443 to a host name; in [`Mode::Local`] also http to a loopback address. The resolved
/// address is checked at each connection, because it may change. `None` when the field is absent or was refused.
pub(crate) fn callback_url(fields: &mut Fields<'_>, mode: Mode) -> Option<String> {
    let loopback = match mode {
        Mode::Live => Loopback::Refused,
        Mode::Local => Loopback::ByAddress,
    };
    fields.optional("url", url(UrlOf { purpose: Purpose::Callback, loopback, characters: URL_CHARACTERS }))
}
