//! Ways to servers: a CONNECT proxy, exceptions from it, servers with a way of their own. What is wrong with one is told
//! without quoting it, for there may be a password in it.

use jackline_way::{Exception, ProxyUrl, Route, Target};

use super::{Value, Wrong, quoted, quoted_yaml};

/// A CONNECT proxy, or the word that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProxyChoice(pub(crate) Option<ProxyUrl>);

impl Value for ProxyChoice {
    const EXPECTED: &'static str = "http://HOST:PORT, http://USER:PASSWORD@HOST:PORT or none";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        if word.trim() == "none" {
            return Ok(Self(None));
        }
        let proxy = word.parse().map_err(|error: jackline_way::ProxyUrlError| {
            Wrong::new("this is no proxy that jackline can use", error.to_string())
        });
        proxy.map(|proxy| Self(Some(proxy)))
    }

    fn show(&self) -> String {
        match &self.0 {
            Some(proxy) => quoted_yaml(&proxy.to_string()),
            None => "none".to_owned(),
        }
    }
}

impl Value for Route {
    const EXPECTED: &'static str = "servers and their way, for example \"10.0.0.0/8=direct\"";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        word.parse().map_err(|error: jackline_way::RouteError| {
            Wrong::new("this is no way to servers", error.to_string())
        })
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

impl Value for Exception {
    const EXPECTED: &'static str = "an address, a network, a domain or \"*\"";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        word.parse().map_err(|error: jackline_way::ExceptionError| {
            Wrong::new(format!("{} can except nothing", quoted(word)), error.to_string())
        })
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

impl Value for Target {
    const EXPECTED: &'static str = "an address, a network or \"*\", with or without a port";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        word.parse().map_err(|error: jackline_way::TargetError| {
            Wrong::new(format!("{} names no servers", quoted(word)), error.to_string())
        })
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_neither_where_it_is_good_nor_where_it_is_wrong() {
        let good = ProxyChoice::from_word("http://jo:hunter2@proxy:3128").expect("a proxy");
        assert_eq!(good.show(), "\"http://(hidden)@proxy:3128\"");
        let wrong = ProxyChoice::from_word("https://jo:hunter2@proxy").expect_err("over TLS");
        assert!(!format!("{wrong:?}").contains("hunter2"));
        let route = Route::from_word("*=http://jo:hunter2@proxy").expect("a route");
        assert!(!route.show().contains("hunter2"));
        let wrong = Route::from_word("*=socks5://jo:hunter2@proxy").expect_err("no HTTP");
        assert!(!format!("{wrong:?}").contains("hunter2"));
        assert_eq!(ProxyChoice::from_word("none").expect("none").show(), "none");
    }
}
