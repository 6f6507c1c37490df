//! interim
use crate::child::Role;
use crate::cli::Options;

pub(super) struct Configuration {
    text: Option<String>,
    name: String,
}
pub(super) struct Usable {
    pub(super) text: String,
}
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("Config files missing '{0}'.")]
    Missing(String),
}
impl Unusable {
    pub(super) fn exit_status(&self) -> u8 {
        6
    }
}
impl Configuration {
    pub(super) fn read(options: &Options) -> Configuration {
        Configuration {
            text: std::fs::read_to_string(&options.use_file).ok(),
            name: options.use_file.display().to_string(),
        }
    }
    pub(super) fn log(&self) {}
    pub(super) fn usable(self) -> Result<Usable, Unusable> {
        Ok(Usable {
            text: self.text.ok_or(Unusable::Missing(self.name))?,
        })
    }
    pub(super) fn usable_after(self, _: &Usable) -> Result<Usable, Unusable> {
        self.usable()
    }
}
impl Usable {
    pub(super) fn needs(&self, role: Role, options: &Options) -> bool {
        match role {
            Role::Vrrp => options.run_vrrp && (options.all || self.text.contains("vrrp_instance")),
        }
    }
}
