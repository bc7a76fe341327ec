//! What a process of a service does, where not every process does everything.

use std::str::FromStr;

use clap::ValueEnum;

/// `all`, or some of a service's roles as a comma list:
/// `#[arg(long, env = "ROLES", default_value = "all")] roles: Roles<Role>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles<R>(Vec<R>);

/// A word that is no role of this service. Says what is allowed, and not what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed: all, or a comma list of {}", .allowed.join(", "))]
pub struct UnknownRole {
    /// The names that are allowed.
    pub allowed: Vec<String>,
}

impl<R: ValueEnum + PartialEq> Roles<R> {
    /// Every role.
    pub fn all() -> Self {
        Self(R::value_variants().to_vec())
    }

    /// Whether this process has the role.
    pub fn has(&self, role: R) -> bool {
        self.0.contains(&role)
    }
}

impl<R: ValueEnum + PartialEq> FromStr for Roles<R> {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        if text.trim().eq_ignore_ascii_case("all") {
            return Ok(Self::all());
        }
        let roles: Result<Vec<R>, String> = text.split(',').map(|role| R::from_str(role.trim(), true)).collect();
        roles.map(Self).map_err(|_| {
            let names = R::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            UnknownRole { allowed: names.map(|name| name.get_name().to_owned()).collect() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
    enum Role {
        Api,
        Worker,
    }

    #[test]
    fn roles_are_all_or_a_list() {
        let has = |text: &str| {
            let roles = text.parse::<Roles<Role>>().map_err(|unknown| unknown.to_string())?;
            Ok((roles.has(Role::Api), roles.has(Role::Worker)))
        };
        assert_eq!(has("all"), Ok((true, true)));
        assert_eq!(has("worker"), Ok((false, true)));
        assert_eq!(has("api, Worker"), Ok((true, true)));
        assert_eq!(has("api,relay"), Err("allowed: all, or a comma list of api, worker".to_owned()));
        assert!(has("").is_err());
    }
}
