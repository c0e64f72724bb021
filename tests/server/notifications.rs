//! The page of notifications, as a browser without scripts asks for it: its cookie, and the ways back of its forms.

use crate::client::{self, Answer};
use crate::support::{QUIET, TestServer};

const HTML: &str = "Accept: text/html";

async fn post(server: &TestServer, target: &str, headers: &[&str], body: &str) -> Answer {
    client::send_body(server.address, "POST", target, headers, body.as_bytes()).await
}

/// The browser's own topic, as the page carries it.
fn topic_of(page: &str) -> String {
    let (_, rest) = page.split_once("data-topic=\"").expect("a topic");
    rest.split_once('"').expect("its end").0.to_owned()
}

#[tokio::test]
async fn a_browser_gets_a_name_of_its_own_in_a_cookie_and_keeps_it() {
    let server = TestServer::start(&QUIET).await;
    let first = client::send(server.address, "GET", "/notifications", &[HTML]).await;
    assert_eq!(first.status, 200);
    let set = first.header("set-cookie").expect("a cookie").to_owned();
    for attribute in [
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/notifications",
        "; Max-Age=31536000",
    ] {
        assert!(set.contains(attribute), "{set}");
    }
    let cookie = format!("Cookie: {}", set.split(';').next().expect("a value"));
    let topic = topic_of(&first.text().await);
    assert_eq!(
        format!("Cookie: fairwind_inbox={}", &topic["~inbox/".len()..]),
        cookie
    );
    post(
        &server,
        &format!("/topics/{topic}"),
        &[],
        "<b>tea</b> is ready",
    )
    .await;
    let again = client::send(server.address, "GET", "/notifications", &[HTML, &cookie]).await;
    let again = again.text().await;
    assert_eq!(topic_of(&again), topic);
    assert!(again.contains("&lt;b&gt;tea&lt;/b&gt; is ready"), "{again}");
    let guessed = "Cookie: fairwind_inbox=guess";
    let other = client::send(server.address, "GET", "/notifications", &[HTML, guessed]).await;
    assert_ne!(topic_of(&other.text().await), topic);
}

#[tokio::test]
async fn its_forms_lead_back_to_it() {
    let server = TestServer::start(&QUIET).await;
    let referer = format!("Referer: http://{}/notifications", server.address);
    let form = "Content-Type: multipart/form-data; boundary=b";
    let body = "--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\ntea\r\n--b--";
    let sent = post(
        &server,
        "/topics/~inbox/x?in=1h",
        &[form, HTML, &referer],
        body,
    )
    .await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some("/notifications"))
    );
    let later = post(&server, "/topics/~inbox/x?in=1h", &[], "coffee").await;
    let cancel = format!("{}/cancel", later.header("location").expect("a URL"));
    let cancelled = post(&server, &cancel, &[HTML, &referer], "").await;
    assert_eq!(
        (cancelled.status, cancelled.header("location")),
        (303, Some("/notifications"))
    );
    let again = post(&server, &cancel, &[], "").await;
    assert_eq!(again.status, 404, "it is cancelled");
    let wrong = client::send(server.address, "GET", &cancel, &[]).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn switched_off_it_is_404() {
    let server = TestServer::start(&["--clock-interval=off", "--notifications=off"]).await;
    assert_eq!(
        client::get(server.address, "/notifications").await.status,
        404
    );
}
