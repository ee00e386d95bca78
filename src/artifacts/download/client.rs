//! The HTTP client: rustls with ring, proxies from the usual environment variables, no compression.

use std::error::Error as _;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use super::Network;
use crate::artifacts::Error;

/// As many redirections as browsers follow.
const REDIRECTS: usize = 20;

/// What rustls-platform-verifier says when the machine has no certificates of authorities.
const NO_CERTIFICATES: &str = "No CA certificates";

/// Makes ring the provider of this process' cryptography, unless it has one: reqwest is built without.
fn prepare_tls() {
    // An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for `url`.
pub(super) fn client(url: &Url, network: &Network) -> Result<Client, Error> {
    prepare_tls();
    match builder(network).build() {
        Ok(client) => Ok(client),
        // Plain http needs no certificates; a redirection to https still finds none that it trusts.
        Err(error) if lacks_certificates(&error) && url.scheme() == "http" => builder(network)
            .tls_certs_only(std::iter::empty())
            .build()
            .map_err(|error| Error::Url {
                url: url.to_string(),
                problem: causes(&error),
            }),
        Err(error) if lacks_certificates(&error) => Err(Error::NoCertificates {
            url: url.to_string(),
        }),
        Err(error) => Err(Error::Url {
            url: url.to_string(),
            problem: causes(&error),
        }),
    }
}

fn builder(network: &Network) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("goldrun/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::limited(REDIRECTS))
        .connect_timeout(network.connect_timeout)
        .read_timeout(network.read_timeout)
}

fn lacks_certificates(error: &reqwest::Error) -> bool {
    causes(error).contains(NO_CERTIFICATES)
}

/// An error with all its causes in one line; reqwest's own text says little.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    if cause.is_none() {
        text = error.to_string();
    }
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}
