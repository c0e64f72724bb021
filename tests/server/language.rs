//! Pages in the reader's language: by what the browser asks for, and by what the reader has chosen.

use crate::access::secret_flag;
use crate::client::{self, Answer};
use crate::support::{QUIET, TestServer};

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
const CHINESE: &str = "Accept-Language: zh-CN,zh;q=0.9,en;q=0.8";

/// Every page: its path, its status, and a text in each language.
const PAGES: [(&str, u16, &str, &str); 7] = [
    ("/", 200, "The server’s time", "服务器时间"),
    (
        "/topics",
        200,
        "Open a topic, or start one",
        "按名称打开或新建主题",
    ),
    ("/topics/kitchen", 200, "Newest message", "最新消息"),
    (
        "/topics/kitchen?before=%23x",
        200,
        "No older events",
        "没有保留更早的事件",
    ),
    (
        "/help",
        200,
        "Several topics on one connection",
        "一个连接订阅多个主题",
    ),
    ("/nowhere", 404, "There is nothing here", "这里什么也没有"),
    ("/topics?open=..", 400, "segment", "这不能作为主题的名称"),
];

fn is_in(answer: &Answer, tag: &str) {
    assert_eq!(answer.header("content-language"), Some(tag));
    let vary = answer.header("vary").expect("vary");
    for name in ["accept", "accept-language", "cookie"] {
        let mut names = vary.split(',').map(str::trim);
        assert!(names.any(|varies| varies == name), "{name} in {vary}");
    }
}

#[tokio::test]
async fn every_page_is_in_the_language_that_the_browser_asks_for() {
    let server = TestServer::start(&QUIET).await;
    for (path, status, english, chinese) in PAGES {
        for (language, tag, expected) in [
            (CHINESE, "zh-CN", chinese),
            ("Accept-Language: zh-TW", "zh-CN", chinese),
            ("Accept-Language: en-GB,zh;q=0.5", "en", english),
            ("Accept-Language: fr", "en", english),
            ("X-Any: 1", "en", english),
        ] {
            let answer = client::send(server.address, "GET", path, &[BROWSER, language]).await;
            assert_eq!(answer.status, status, "{path}");
            is_in(&answer, tag);
            let html = answer.text().await;
            assert!(
                html.contains(&format!("<html lang=\"{tag}\"")),
                "{path} {language}: {html}"
            );
            assert!(html.contains(expected), "{path} {language}: {html}");
        }
    }
}

#[tokio::test]
async fn a_reader_has_one_language_in_the_document() {
    let server = TestServer::start(&QUIET).await;
    for (path, _, english, chinese) in PAGES {
        for (language, absent) in [(CHINESE, english), ("Accept-Language: en", chinese)] {
            let answer = client::send(server.address, "GET", path, &[BROWSER, language]).await;
            let html = answer.text().await;
            // The server's own words are English.
            assert!(
                !html.contains(absent) || absent == "segment",
                "{path}: {absent}"
            );
        }
    }
}

#[tokio::test]
async fn a_chosen_language_leads_back_and_counts_for_later_pages() {
    let server = TestServer::start(&QUIET).await;
    let referer = format!("Referer: http://{}/topics/kitchen?filter=x", server.address);
    let choose = async |path: &str, referer: &str| {
        client::send(server.address, "GET", path, &[BROWSER, referer]).await
    };
    let answer = choose("/language/zh-CN", &referer).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/topics/kitchen?filter=x"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookie = answer.header("set-cookie").expect("a cookie");
    let attributes: Vec<&str> = cookie.split(';').map(str::trim).collect();
    for attribute in [
        "fairwind_language=zh-CN",
        "Path=/",
        "SameSite=Lax",
        "Max-Age=31536000",
    ] {
        assert!(attributes.contains(&attribute), "{attribute} in {cookie}");
    }

    for (cookie, asked_for, tag) in [
        (
            "Cookie: fairwind_language=zh-CN",
            "Accept-Language: en",
            "zh-CN",
        ),
        ("Cookie: fairwind_language=en", CHINESE, "en"),
        ("Cookie: fairwind_language=nonsense", CHINESE, "zh-CN"),
    ] {
        let headers = [BROWSER, cookie, asked_for];
        let answer = client::send(server.address, "GET", "/help", &headers).await;
        is_in(&answer, tag);
    }
}

#[tokio::test]
async fn the_choice_of_a_language_leads_to_no_other_server() {
    let server = TestServer::start(&QUIET).await;
    for (referer, location) in [
        ("Referer: https://evil.example/help", "/help"),
        ("Referer: https://evil.example//other.example/", "/"),
        ("Referer: //other.example", "/"),
        ("Referer: javascript:alert(1)", "/"),
        ("Referer: http://a/language/en", "/"),
        ("X-Any: 1", "/"),
    ] {
        let answer = client::send(server.address, "GET", "/language/en", &[referer]).await;
        assert_eq!(answer.status, 303, "{referer}");
        assert_eq!(answer.header("location"), Some(location), "{referer}");
    }
}

#[tokio::test]
async fn an_unknown_language_is_refused_with_the_paths_of_the_known_ones() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::get(server.address, "/language/fr").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("set-cookie"), None);
    let text = answer.text().await;
    assert!(
        text.contains("/language/en") && text.contains("/language/zh-CN"),
        "{text}"
    );
    let answer = client::send_body(server.address, "POST", "/language/en", &[], b"").await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn a_chinese_page_of_a_refusal_has_the_servers_own_words_marked_as_english() {
    let server = TestServer::start(&[&*secret_flag("language"), "--clock-interval=1h"]).await;
    let headers = [BROWSER, CHINESE, "Cookie: fairwind_token=nonsense"];
    let answer = client::send(server.address, "GET", "/topics/a", &headers).await;
    assert_eq!(answer.status, 401);
    let html = answer.text().await;
    assert!(html.contains("<h1>令牌无效</h1>"), "{html}");
    assert!(html.contains("<p lang=\"en\">The token"), "{html}");
    assert!(html.contains("删除这个 Cookie"), "{html}");
}

#[tokio::test]
async fn a_problem_document_for_a_program_is_english() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::send(server.address, "GET", "/nowhere", &[CHINESE]).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let text = answer.text().await;
    assert!(
        text.is_ascii() && text.contains("\"code\":\"not-found\""),
        "{text}"
    );
}
