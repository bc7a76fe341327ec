//! Who may do what: bearer tokens with roles, and nobody else unless the service listens on loopback only.
//!
//! By default GET and HEAD ask for `reader` and everything else for `operator`; [`require`] asks for more on a route. Without a
//! tokens file everybody on the machine is admin, except web pages of other sites that a browser on it happens to show.
//! Tokens are stored as SHA-256 only: they are random, so a slow hash would protect nothing more.

use std::{net::SocketAddr, path::Path, str::FromStr, sync::Arc};

use anyhow::{Context, bail};
use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::Problem;
use crate::config::HttpConfig;

/// What a caller may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Reader,
    /// Read, create and change.
    Operator,
    /// Everything.
    Admin,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "reader" => Ok(Self::Reader),
            "operator" => Ok(Self::Operator),
            "admin" => Ok(Self::Admin),
            _ => Err(()),
        }
    }
}

impl Role {
    /// The name as in the tokens file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Who is asking; an extractor on guarded routes, for the audit. `local` where no tokens are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's name in the tokens file.
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("This route needs a bearer token."))
    }
}

/// The guard of a service's API.
#[derive(Debug, Clone)]
pub struct Guard {
    /// None: open, on loopback.
    tokens: Option<Arc<[Token]>>,
}

struct Token {
    identity: Identity,
    hash: [u8; 32],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.identity.fmt(f)
    }
}

impl Guard {
    /// Reads the tokens file of the settings.
    ///
    /// # Errors
    /// The file cannot be read or has a bad line (named by its number), or there is none and the address is not a loopback one.
    pub fn from_config(config: &HttpConfig) -> anyhow::Result<Self> {
        match &config.api_tokens_file {
            Some(path) => Ok(Self { tokens: Some(read_tokens(path)?.into()) }),
            None => {
                refuse_open_address(config.bind)?;
                Ok(Self { tokens: None })
            }
        }
    }

    fn identify(&self, headers: &HeaderMap) -> Result<Identity, Problem> {
        let Some(tokens) = &self.tokens else { return Ok(Identity { name: "local".into(), role: Role::Admin }) };
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (value, None) = (values.next(), values.next()) else {
            return Err(Problem::unauthorized("There is more than one Authorization header; send one."));
        };
        let token = value.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| Problem::unauthorized("Send the header `Authorization: Bearer TOKEN`."))?;
        find(tokens, token).ok_or_else(|| Problem::unauthorized("This token is not known. Check it, or ask for one."))
    }

    /// The middleware of guarded routes: identifies the caller and asks for the method's role.
    pub(super) async fn check(self, mut request: Request, next: Next) -> Response {
        let needed = match *request.method() {
            Method::GET | Method::HEAD | Method::OPTIONS => Role::Reader,
            _ => Role::Operator,
        };
        let checked = if self.tokens.is_none() { refuse_foreign_page(&request) } else { Ok(()) };
        match checked.and_then(|()| self.identify(request.headers())).and_then(|identity| allow(identity, needed)) {
            Ok(identity) => {
                request.extensions_mut().insert(identity);
                next.run(request).await
            }
            Err(problem) => problem.into_response(),
        }
    }
}

/// Middleware for a route that asks for more than its method does:
/// `post(purge).layer(axum::middleware::from_fn(auth::require(Role::Admin)))`.
pub fn require(role: Role) -> impl Fn(Request, Next) -> futures::future::BoxFuture<'static, Response> + Clone {
    move |request, next| {
        Box::pin(async move {
            let identity = request.extensions().get::<Identity>().cloned();
            let identity = identity.ok_or_else(|| Problem::unauthorized("This route needs a bearer token."));
            match identity.and_then(|identity| allow(identity, role)) {
                Ok(_) => next.run(request).await,
                Err(problem) => problem.into_response(),
            }
        })
    }
}

fn allow(identity: Identity, needed: Role) -> Result<Identity, Problem> {
    if identity.role >= needed {
        return Ok(identity);
    }
    let (has, needed) = (identity.role.as_str(), needed.as_str());
    Err(Problem::forbidden(format!("This needs the role {needed}; the token has the role {has}.")))
}

/// Compares with every token, each in constant time, so that the time tells nothing about any of them.
fn find(tokens: &[Token], presented: &str) -> Option<Identity> {
    let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
    let mut found = u64::MAX;
    for (index, token) in (0_u64..).zip(tokens) {
        let same: Choice = hash.ct_eq(&token.hash);
        found.conditional_assign(&index, same);
    }
    usize::try_from(found).ok().and_then(|index| tokens.get(index)).map(|token| token.identity.clone())
}

fn read_tokens(path: &Path) -> anyhow::Result<Vec<Token>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("API_TOKENS_FILE: cannot read {}", path.display()))?;
    let tokens =
        parse_tokens(&text).map_err(|problem| anyhow::anyhow!("API_TOKENS_FILE: {}, {problem}", path.display()))?;
    if tokens.is_empty() {
        bail!("API_TOKENS_FILE: {} has no token, so nobody could use the API", path.display());
    }
    Ok(tokens)
}

fn parse_tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens: Vec<Token> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| format!("line {number}: {what}; a line is: role name sha256-of-the-token-in-hex");
        let [role, name, hash] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(wrong("there are not three words"));
        };
        let role = role.parse().map_err(|()| wrong("the role is none of reader, operator, admin"))?;
        let hash = from_hex(hash).ok_or_else(|| wrong("the third word is not 64 hexadecimal digits"))?;
        if tokens.iter().any(|token| &*token.identity.name == name || token.hash == hash) {
            return Err(wrong("the name or the token has occurred before"));
        }
        tokens.push(Token { identity: Identity { name: name.into(), role }, hash });
    }
    Ok(tokens)
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

fn refuse_open_address(address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    bail!(
        "HTTP_BIND: {address} can be reached from other machines, and without API_TOKENS_FILE anybody there could use the \
         API. Set API_TOKENS_FILE to a file of tokens, or HTTP_BIND to a loopback address such as 127.0.0.1:{}",
        address.port()
    )
}

/// Without tokens the only wall is that the caller is on this machine. A browser on it passes that wall for any web page: by a
/// name that its owner lets point to 127.0.0.1 (seen in `Host`), or by a form that posts to us (seen in `Origin`).
fn refuse_foreign_page(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    if !host.is_none_or(is_local_name) {
        return Err(Problem::forbidden(
            "Without API tokens this service answers to localhost only; check the host name.",
        ));
    }
    match text(header::ORIGIN) {
        Some(origin) if !origin.split_once("://").is_some_and(|(_, host)| is_local_name(host)) => {
            Err(Problem::forbidden("Without API tokens this service does not answer to web pages of other sites."))
        }
        _ => Ok(()),
    }
}

fn is_local_name(host: &str) -> bool {
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    name || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_of_the_tokens_file_is_named_by_its_number() {
        let hash = "0a".repeat(32);
        let tokens = parse_tokens(&format!("# who\n\nreader grafana {hash} # dashboards\n")).unwrap();
        assert_eq!(&*tokens[0].identity.name, "grafana");
        assert_eq!(tokens[0].hash, [10; 32]);
        for (line, problem) in [
            ("reader grafana".to_owned(), "line 2: there are not three words"),
            (format!("root grafana {hash}"), "line 2: the role is none of"),
            ("reader grafana secret".to_owned(), "line 2: the third word is not 64 hexadecimal digits"),
            (format!("reader grafana {}", "é".repeat(32)), "line 2: the third word is not"),
            (format!("reader a {hash}\nadmin b {hash}"), "line 3: the name or the token has occurred before"),
        ] {
            let error = parse_tokens(&format!("#\n{line}\n")).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_token_is_found_by_its_hash_only() {
        let hash: [u8; 32] = Sha256::digest(b"right").into();
        let identity = Identity { name: "a".into(), role: Role::Reader };
        let tokens = [
            Token { identity: Identity { name: "b".into(), ..identity.clone() }, hash: [0; 32] },
            Token { identity, hash },
        ];
        assert_eq!(&*find(&tokens, "right").unwrap().name, "a");
        assert_eq!(find(&tokens, "wrong"), None);
        assert_eq!(find(&[], "right"), None);
    }
}
