//! `SSL`.

use super::text::Text;
use crate::config::Ssl;

pub(super) fn show(text: &mut Text, ssl: &Ssl) {
    text.block("SSL", |text| {
        if let Some(password) = &ssl.password {
            let password = text.secret(|| password.clone(), "****");
            text.word("password", &password);
        }
        text.word_some("ca", ssl.ca.as_deref());
        text.word_some("certificate", ssl.certificate.as_deref());
        text.word_some("key", ssl.key.as_deref());
    });
}
