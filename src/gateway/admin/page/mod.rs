//! The dashboard: one page and its parts, compiled into the binary.
//!
//! It has no build step and asks nobody but the gateway it came from. Its addresses are relative, so
//! that it can be mounted anywhere.

use axum::{
    body::Body,
    extract::Path,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};

use super::answer::Failure;

/// Answers with the page itself.
pub(super) async fn index() -> Response {
    answer(HTML, INDEX)
}

/// Answers with a part of the page.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match find(&name) {
        Some((content_type, body)) => answer(content_type, body),
        None => Failure::not_found("the page has no such part").into_response(),
    }
}

fn answer(content_type: &'static str, body: &'static [u8]) -> Response {
    let mut response = Response::new(Body::from(Bytes::from_static(body)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn find(name: &str) -> Option<(&'static str, &'static [u8])> {
    let (_, content_type, body) = ASSETS.iter().find(|(known, ..)| *known == name)?;
    Some((content_type, body))
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

const INDEX: &[u8] = include_bytes!("index.html");

macro_rules! assets {
    ($($content_type:ident $name:literal from $file:literal,)*) => {
        &[$(($name, $content_type, include_bytes!($file).as_slice())),*]
    };
}

/// Name, type and content of each part.
const ASSETS: &[(&str, &str, &[u8])] = assets! {
    CSS "style.css" from "style.css",
    SVG "icon.svg" from "icon.svg",
    JS "actions.js" from "actions.js",
    JS "app.js" from "app.js",
    JS "chart.js" from "chart.js",
    JS "decisions.js" from "decisions.js",
    JS "dom.js" from "dom.js",
    JS "explain.js" from "explain.js",
    JS "feed.js" from "feed.js",
    JS "fleet.js" from "fleet.js",
    JS "format.js" from "format.js",
    JS "headline.js" from "headline.js",
    JS "history.js" from "history.js",
    JS "moves.js" from "moves.js",
    JS "pools.js" from "pools.js",
    JS "targets.js" from "targets.js",
    JS "theme.js" from "theme.js",
    JS "uplot.js" from "vendor/uplot/uPlot.iife.min.js",
    CSS "uplot.css" from "vendor/uplot/uPlot.min.css",
    TEXT "uplot-license.txt" from "vendor/uplot/LICENSE",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_that_the_page_names_is_served() {
        let texts = ASSETS
            .iter()
            .filter(|(name, kind, _)| *kind == JS && *name != "uplot.js");
        let mut named = 0;
        for (_, _, body) in texts {
            let text = str::from_utf8(body).unwrap();
            for part in text.split(" from \"./").skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(find(name).is_some(), "{name} is not served");
                named += 1;
            }
        }
        let html = str::from_utf8(INDEX).unwrap();
        for part in html.split("=\"assets/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(find(name).is_some(), "{name} is not served");
            named += 1;
        }
        assert!(named > 10, "{named} found");
    }

    #[test]
    fn nothing_in_the_page_is_inline_or_from_elsewhere() {
        let html = str::from_utf8(INDEX).unwrap();
        for forbidden in [
            "style=",
            "<style",
            " onclick",
            " onload",
            "://",
            "=\"/",
            "javascript:",
        ] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script src=").count()
                + html.matches("<script type=\"module\" src=").count()
        );
        for (name, kind, body) in ASSETS
            .iter()
            .filter(|(name, ..)| !name.starts_with("uplot"))
        {
            let text = str::from_utf8(body).unwrap().replace("://www.w3.org/", "");
            assert!(!text.contains("://"), "{name}");
            if *kind == JS {
                for sink in [
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "document.write",
                    "eval(",
                ] {
                    assert!(!text.contains(sink), "{sink} in {name}");
                }
            }
        }
    }
}
